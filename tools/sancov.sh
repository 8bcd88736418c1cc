#!/usr/bin/env bash
# Compiles one of our crates with the counters by which libFuzzer steers: RUSTC_WORKSPACE_WRAPPER of tools/fuzz.sh.
# What cargo-fuzz passes to every crate; as a wrapper of the workspace's it leaves all others as they are, compiled.
case " $* " in
  *" build_script_build "*) exec "$@" ;; # a program of its own, without libFuzzer in it
esac
exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
