#!/usr/bin/env bash
# Tries and times the GPU path where there is a card and no network: answers of the shader, and of libtorch on CUDA, against
# the processor's; milliseconds of whole solves by each; what `device: auto` makes of the card; the training of theta.
#   tools/gpu_check.sh pack [FOLDER]   builds here, and puts into FOLDER (out/gpu_check) all that the other machine needs
#   FOLDER/run.sh [OUT]                there: an NVIDIA driver, and a Python with PyTorch 2.11, of which libtorch is taken
#   tools/gpu_check.sh --dry           packs and runs here, on software, the least of everything: a stage of CI
#
# OUT (the present folder) gets gpu_check.json and gpu_check.txt. THALWEG_LIBTORCH names a folder of libtorch's libraries in
# place of Python's. A part that takes longer than its share of six minutes is ended, and so is the run.
#
# Left out: the node, which needs a ROS 2 (`make bench-node` measures it where there is one), and libtorch's CUDA graphs
# (docs/performance.md says why).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Path of the program $1 of the crate in src/$2 that cargo has just made of $3..
program() {
  "$here/tools/cargo.sh" "${@:3}" --locked --no-run --message-format=json |
    python3 -c "
import json, sys
for line in sys.stdin:
    one = json.loads(line)
    if one.get('executable') and one['target']['name'] == '$1' and '/src/$2#' in one['package_id']:
        print(one['executable'])" | tail -1
}

pack() {
  local folder=$1
  mkdir -p "$folder/models" "$folder/lib"
  cp "$(program gpu engine bench --bench gpu)" "$folder/bench_gpu"
  cp "$(program theta train bench --bench theta)" "$folder/bench_theta"
  cp "$(program engine engine test --release --test engine)" "$folder/test_engine"
  cp "$here"/models/body_pose*.safetensors "$folder/models/"
  # The loader of Vulkan, which a machine for computing lacks as a rule; its driver comes with the card's.
  cp -L "$(ldconfig -p | awk '/libvulkan.so.1 .*x86-64|libvulkan.so.1 .*AArch64/ { print $NF; exit }')" "$folder/lib/"
  cat >"$folder/run.sh" <<'RUN'
#!/usr/bin/env bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(cd "${1:-.}" && pwd)
torch=${THALWEG_LIBTORCH:-$(python3 -c 'import torch; print(torch.__path__[0] + "/lib")')}
export LD_LIBRARY_PATH=$torch:$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} THALWEG_MODELS=$here/models
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}
# Where no description of the driver is installed, as in a container that has its libraries only.
if [ -z "${VK_DRIVER_FILES:-}" ] && ! compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null && ! compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null; then
  echo '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}' >"$out/nvidia_icd.json"
  export VK_DRIVER_FILES=$out/nvidia_icd.json
fi
if [ "${2:-}" = --quick ]; then
  tests=gpu::gradients solves=(--quick) trainings=(--quick)
else
  tests=gpu:: solves=(--many) trainings=()
fi
{
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo "no NVIDIA card"
  CI=true timeout 100 "$here/test_engine" "$tests" --test-threads=1
  timeout 160 "$here/bench_gpu" --json "$out/solves.json" "${solves[@]}"
  timeout 90 "$here/bench_theta" --json "$out/trainings.json" "${trainings[@]}"
  echo "node: left out, for there is no ROS 2 here; make bench-node measures it"
} 2>&1 | tee "$out/gpu_check.txt"
python3 - "$out" <<'PY'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
parts = {part: json.loads((out / f"{part}.json").read_text()) for part in ("solves", "trainings")}
(out / "gpu_check.json").write_text(json.dumps({**parts, "node": "left out: no ROS 2"}, indent=1))
PY
RUN
  chmod +x "$folder/run.sh"
}

dry() {
  if [ "${CI:-}" != true ] && ! compgen -G '/usr/share/vulkan/icd.d/lvp_icd*' >/dev/null; then
    echo "gpu_check: skipped: no GPU in software; tools/setup_graphics.sh --compute installs it" >&2
    return
  fi
  local out
  out=$(mktemp -d)
  # shellcheck disable=SC2064 # The folder as it is called now.
  trap "rm -rf '$out'" EXIT
  pack "$out/pack"
  THALWEG_LIBTORCH=${LIBTORCH:?run it by tools/run.sh}/lib "$out/pack/run.sh" "$out" --quick
  python3 - "$out/gpu_check.json" <<'PY'
import json, sys
found = json.load(open(sys.argv[1]))
solves = [row for row in found["solves"] if "gpu_ms" in row]
apart = [(row["losses_apart"], row["eager_losses_apart"]) for row in solves]
assert len(solves) >= 4 and all(max(pair) < 1e-3 for pair in apart), apart
automatic = [row for row in found["solves"] if "auto" in row]
assert automatic and not any(row["is_faster"] for row in automatic), automatic
assert all("steps of adam" in row["auto"] or "step of adam" in row["auto"] for row in automatic), automatic
assert len(found["trainings"]) >= 2 and all(row["s_a_buffer"] > 0 for row in found["trainings"]), found["trainings"]
PY
  echo "gpu_check: dry run passed"
}

case ${1:-} in
  pack) pack "${2:-$here/out/gpu_check}" ;;
  --dry) dry ;;
  *) echo "usage: tools/gpu_check.sh pack [FOLDER] | --dry" >&2 && exit 2 ;;
esac
