#!/usr/bin/env bash
# Tries and times the GPU path where there is a card and no network: answers, then milliseconds of whole solves.
#   tools/gpu_check.sh pack [FOLDER]   builds here, and puts into FOLDER (out/gpu_check) all that the other machine needs
#   FOLDER/run.sh [OUT]                there: an NVIDIA driver, and a Python with PyTorch 2.11, of which libtorch is taken
#   tools/gpu_check.sh --dry           packs and runs here, on software, the least of everything
#
# OUT (the present folder) gets gpu_check.json and gpu_check.txt. THALWEG_LIBTORCH names a folder of libtorch's libraries in
# place of Python's. A run takes some two minutes on a card.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Path of the program that cargo has just made of $2.., of the kind $1.
program() {
  "$here/tools/cargo.sh" "${@:2}" --locked --no-run --message-format=json |
    python3 -c "
import json, sys
for line in sys.stdin:
    one = json.loads(line)
    if one.get('executable') and one['target']['name'] == '$1' and 'engine' in one['package_id']:
        print(one['executable'])" | tail -1
}

pack() {
  local folder=$1
  mkdir -p "$folder/models" "$folder/lib"
  cp "$(program gpu bench --bench gpu)" "$folder/bench_gpu"
  cp "$(program engine test --release --test engine)" "$folder/test_engine"
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
{
  CI=true timeout 150 "$here/test_engine" gpu --test-threads=1
  timeout 180 "$here/bench_gpu" --json "$out/gpu_check.json" "${@:2}"
} 2>&1 | tee "$out/gpu_check.txt"
RUN
  chmod +x "$folder/run.sh"
}

case ${1:-} in
  pack) pack "${2:-$here/out/gpu_check}" ;;
  --dry)
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    pack "$out/pack"
    THALWEG_LIBTORCH=${LIBTORCH:?run it by tools/run.sh}/lib "$out/pack/run.sh" "$out" --quick
    python3 -c "import json, sys; rows = json.load(open('$out/gpu_check.json')); assert rows and all(row['losses_apart'] < 1e-3 for row in rows), rows"
    echo "gpu_check: dry run passed"
    ;;
  *) echo "usage: tools/gpu_check.sh pack [FOLDER] | --dry" >&2 && exit 2 ;;
esac
