#!/usr/bin/env bash
# DeepSeek-OCR (or another OCR model) behind vLLM, one server a GPU of this host, for `fovea read --reader` and `fovea eval --reader`.
#   experiments/cluster/vllm_readers.sh [MODEL] [FIRST_PORT]
# Needs vLLM 0.12 or newer (pip install vllm, in an environment of its own). Stop with Ctrl-C. With Slurm: sbatch --gpus-per-node=8 --wrap "…/vllm_readers.sh".
# The n-gram ban is the model's own logits processor in vLLM; a request switches it on:
#   OpenAIReader("http://host:8100", extra={"skip_special_tokens": False,
#                "vllm_xargs": {"ngram_size": 30, "window_size": 90, "whitelist_token_ids": [128821, 128822]}})
set -euo pipefail
model=${1:-deepseek-ai/DeepSeek-OCR} port=${2:-8100}
command -v vllm > /dev/null || { echo "vllm is not installed: pip install vllm" >&2; exit 2; }
options=()
case "$model" in
  *DeepSeek-OCR*) options=(--logits_processors vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor --no-enable-prefix-caching --mm-processor-cache-gb 0) ;;
esac
gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader)
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
for gpu in $gpus; do
  echo "GPU $gpu: http://$(hostname):$((port + gpu))/v1"
  CUDA_VISIBLE_DEVICES=$gpu vllm serve "$model" --port $((port + gpu)) "${options[@]}" &
done
wait
