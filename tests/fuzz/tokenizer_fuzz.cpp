// Any bytes as a tokenizer.json: a ConfigError, or a tokenizer whose ids give back the text that they were made of.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fovea/base/error.h"
#include "fovea/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  try {
    const auto tokenizer = text::Tokenizer::from_json_text(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    for (const std::string text : {"Hello, world! 123", "a\n\n  b\t", "<image>", "\xE6\x97\xA5\xE6\x9C\xAC"}) {
      try {
        const auto encoding = tokenizer.encode_with_offsets(text);
        if (encoding.ids.size() != encoding.byte_ends.size()) std::abort();
        for (int32_t id : encoding.ids)
          if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
        tokenizer.decode(encoding.ids);
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
