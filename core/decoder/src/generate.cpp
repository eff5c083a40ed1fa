#include "fovea/decoder/generate.h"

#include "fovea/base/error.h"
#include "fovea/decoder/engine.h"

namespace fovea::decoder {

std::vector<Generated> generate(DecoderImpl& decoder, const at::Tensor& prompts, const GenerateConfig& config,
                                const std::function<void(size_t, const Generated&)>& on_done,
                                const std::function<void(size_t)>& on_step, const std::vector<int32_t>& prompt_ids,
                                const std::function<void(size_t, const std::vector<int32_t>&)>& on_ids) {
  torch::NoGradGuard no_grad;
  const int64_t batch = prompts.size(0);
  std::vector<Generated> results(static_cast<size_t>(batch));
  if (batch == 0) return results;
  // Recording steps does not pay within one call.
  Engine engine(decoder, {.max_batch = batch, .graphs = false});
  for (int64_t i = 0; i < batch; ++i) {
    const size_t index = size_t(i);
    Request request;
    request.prompt = prompts[i];
    request.prompt_ids = prompt_ids;
    request.config = config;
    request.stream = uint64_t(i);
    request.on_done = [&results, &on_done, index](const Generated& result) {
      results[index] = result;
      if (on_done) on_done(index, results[index]);
    };
    if (on_ids) request.on_ids = [&on_ids, index](const std::vector<int32_t>& ids) { on_ids(index, ids); };
    engine.submit(std::move(request));
  }
  while (!engine.idle()) {
    const size_t tokens = engine.step();
    if (on_step && tokens > 0) on_step(tokens);
  }
  return results;
}

}  // namespace fovea::decoder
