#!/usr/bin/env bash
# Resolves the direct dependencies of pyproject.toml into the lock files beside this script.
# Needs `uv` (pip install uv). Install a lock file with `pip install --no-deps -r FILE`.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --universal --python-version 3.10 --no-emit-index-url \
    --no-annotate --overrides requirements/overrides.txt \
    --no-python-downloads --custom-compile-command requirements/lock.sh "$@"
}
compile pyproject.toml --extra ros --extra studio --extra colcon --output-file requirements/lock.txt
# torch comes with its own dependencies (a CUDA build brings gigabytes, a CPU build none),
# so it is installed first by `pip install torch==...`; the lock holds everything else.
compile pyproject.toml --extra ros --extra studio --extra colcon --extra training --extra people --extra test --constraints requirements/lock.txt \
  --output-file requirements/lock-dev.txt \
  $(printf -- '--no-emit-package %s ' torch triton cuda-toolkit cuda-bindings cuda-pathfinder \
    nvidia-{cublas,cuda-cupti,cuda-nvrtc,cuda-runtime,cudnn-cu13,cufft,cufile,curand,cusolver,cusparse} \
    nvidia-{cusparselt-cu13,nccl-cu13,nvjitlink,nvshmem-cu13,nvtx})
compile --group pyproject.toml:docs --output-file requirements/lock-docs.txt
