#include "fovea/datasets/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"

namespace fovea::datasets {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::string sample(const std::string& name) { return read_text(FOVEA_SOURCE_DIR "/datasets/samples/" + name + ".txt"); }
size_t num_chars(const std::string& text) { return to_code_points(text).size(); }
std::multiset<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

class TextFile : public testing::Test {
 protected:
  std::string write(const std::string& bytes) {
    path = (std::filesystem::temp_directory_path() / "fovea_datasets_text_test.txt").string();
    write_file_atomic(path, bytes);
    return path;
  }
  ~TextFile() override { std::filesystem::remove(path); }
  std::string path;
};

TEST_F(TextFile, Cleans) {
  EXPECT_EQ(read_text(write("\xEF\xBB\xBF" "one\r\n\r\n  two\tthree \n \n\nfour\u00A0five\u2028six\rseven\n\n")),
            "one\n  two three\nfour five six\nseven");
  EXPECT_EQ(read_text(write("\n\f\na\n\f\n\f\n\nb\f")), "a\n\f\nb");
}

TEST_F(TextFile, NamesTheFileThatCannotBeUsed) {
  EXPECT_THAT([&] { read_text(write("")); }, ThrowsMessage<ConfigError>(HasSubstr(path)));
  EXPECT_THAT([&] { read_text(write(" \n\f\n")); }, ThrowsMessage<ConfigError>(HasSubstr(path)));
  EXPECT_THAT([&] { read_text(write("ab\xC3")); }, ThrowsMessage<ConfigError>(HasSubstr("position 2")));
  EXPECT_THROW(read_text("/nonexistent/text"), IoError);
}

TEST(TextKind, NamesGoBothWays) {
  for (const char* name : {"prose", "shuffled-words", "random-words", "random-letters", "digits"})
    EXPECT_STREQ(text_kind_name(parse_text_kind(name)), name);
  EXPECT_THAT([] { parse_text_kind("shuffled-word"); },
              ThrowsMessage<ConfigError>(testing::AllOf(HasSubstr("random-letters"), HasSubstr("did you mean shuffled-words"))));
}

TEST(Passage, EverySampleAndKindIsLongEnoughAndRepeatable) {
  size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(FOVEA_SOURCE_DIR "/datasets/samples")) {
    if (file.path().extension() != ".txt") continue;
    ++files;
    const std::string source = read_text(file.path().string());
    for (int kind = 0; kind < 5; ++kind)
      for (size_t min_chars : {1, 50, 800, 3000})
        for (uint64_t index = 0; index < 5; ++index) {
          const auto text = passage(source, TextKind(kind), min_chars, 7, index);
          EXPECT_GE(num_chars(text), min_chars) << file.path() << ' ' << kind;
          EXPECT_LE(num_chars(text), min_chars + 80) << file.path() << ' ' << kind;
          EXPECT_EQ(text, passage(source, TextKind(kind), min_chars, 7, index));
          EXPECT_FALSE(text.starts_with(' ') || text.ends_with(' ') || text.ends_with('\n'));
        }
  }
  EXPECT_EQ(files, 18u);
}

TEST(Passage, ProseIsContiguousAndStartsASentence) {
  const auto source = sample("en_the_man_who_was_thursday");
  std::set<size_t> places;
  for (uint64_t index = 0; index < 300; ++index) {
    const auto text = passage(source, TextKind::kProse, 600, 1, index);
    const size_t at = source.find(text);
    ASSERT_NE(at, std::string::npos);
    places.insert(at);
    if (at == 0 || source[at - 1] == '\n') continue;
    ASSERT_EQ(source[at - 1], ' ');
    const std::string before = source.substr(at < 8 ? 0 : at - 8, 7);
    EXPECT_THAT(before, testing::ContainsRegex("[.!?…]")) << before << " | " << text.substr(0, 30);
    for (const char* title : {"Mr.", "Dr.", "Mrs."}) EXPECT_FALSE(before.ends_with(title)) << text.substr(0, 30);
  }
  EXPECT_GT(places.size(), 150u);
}

TEST(Passage, AbbreviationsDoNotEndASentence) {
  const std::string source = "Here Mr. Syme met J. K. Brown, i.e. Old Brown, on St. James Street at No. 5 etc. Park.";
  for (uint64_t index = 0; index < 50; ++index) EXPECT_EQ(passage(source, TextKind::kProse, 10, 3, index).substr(0, 8), "Here Mr.");
}

TEST(Passage, ShortSourceIsReturnedWhole) {
  EXPECT_EQ(passage("One line.\nTwo lines.", TextKind::kProse, 1000, 0, 0), "One line.\nTwo lines.");
  EXPECT_EQ(passage("One.\n\f\nTwo.", TextKind::kProse, 1000, 0, 0), "One.\nTwo.");
  EXPECT_THROW(passage(" \n", TextKind::kProse, 10, 0, 0), ConfigError);
  EXPECT_EQ(num_chars(passage("", TextKind::kDigits, 1, 0, 0)) >= 2, true);
}

TEST(Passage, DocumentsAreJoinedWithoutTheSeparator) {
  std::string source;
  for (int i = 0; i < 50; ++i) source += (i ? "\n\f\n" : "") + std::string("Document text of some length, number ") + std::to_string(i) + ".";
  for (uint64_t index = 0; index < 40; ++index) {
    const auto text = passage(source, TextKind::kProse, 300, 0, index);
    EXPECT_EQ(text.find('\f'), std::string::npos);
    EXPECT_EQ(text.find("\n\n"), std::string::npos);
    EXPECT_EQ(text.substr(0, 8), "Document");
    EXPECT_GE(num_chars(text), 300u);
  }
}

TEST(Passage, ShuffleKeepsTheWords) {
  // a source shorter than the passage: prose is all of it, so both must hold the same words
  const auto source = sample("en_the_man_who_was_thursday").substr(0, 5000);
  const auto text = passage(source, TextKind::kShuffledWords, 10000, 2, 0);
  EXPECT_EQ(words_of(text), words_of(source));
  EXPECT_NE(text, source);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto chinese = sample("zh_law_rights_of_the_elderly");
  auto before = to_code_points(passage(chinese, TextKind::kShuffledWords, 100000, 2, 0)), after = to_code_points(chinese);
  const auto is_space = [](char32_t c) { return c == ' ' || c == '\n'; };
  std::erase_if(before, is_space);
  std::erase_if(after, is_space);
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  EXPECT_EQ(before, after);
}

TEST(Passage, ShufflingLeavesNoOrderOfHanCharacters) {
  const auto chinese = sample("zh_law_rights_of_the_elderly");
  const auto prose = to_code_points(passage(chinese, TextKind::kProse, 1000, 4, 0)), mixed = to_code_points(passage(chinese, TextKind::kShuffledWords, 1000, 4, 0));
  const auto kept = [&](const std::u32string& text) {
    const auto source = to_code_points(chinese);
    size_t found = 0, total = 0;
    for (size_t i = 0; i + 4 <= text.size(); ++i, ++total) found += source.find(text.substr(i, 4)) != std::u32string::npos;
    return double(found) / double(total);
  };
  EXPECT_GT(kept(prose), 0.9);
  EXPECT_LT(kept(mixed), 0.03);
}

TEST(Passage, CharactersThatAreWords) {
  for (char32_t c : {U'的', U'，', U'カ', U'〇', U'Ａ'}) EXPECT_TRUE(is_word_alone(c)) << uint32_t(c);
  for (char32_t c : {U'a', U'é', U'—', U' ', U'я', U'\u3000'}) EXPECT_FALSE(is_word_alone(c)) << uint32_t(c);
  EXPECT_DOUBLE_EQ(share_of_words_alone("天地 ab"), 0.5);
  EXPECT_DOUBLE_EQ(share_of_words_alone("天地ab", 2), 1);
  EXPECT_DOUBLE_EQ(share_of_words_alone(" \n"), 0);
}

TEST(Passage, RandomWordsHaveEqualChances) {
  std::string source = "Rare, words. here!";
  for (int i = 0; i < 500; ++i) source += " the 12 a1 x-y";
  const auto drawn = words_of(passage(source, TextKind::kRandomWords, 20000, 5, 0));
  const std::set<std::string> distinct(drawn.begin(), drawn.end());
  EXPECT_EQ(distinct, (std::set<std::string>{"Rare", "words", "here", "the"}));
  for (const auto& word : distinct) EXPECT_NEAR(double(drawn.count(word)) / double(drawn.size()), 0.25, 0.03) << word;
  EXPECT_THROW(passage("12 34", TextKind::kRandomWords, 10, 0, 0), ConfigError);
}

TEST(Passage, LettersAndDigits) {
  for (const auto& [kind, symbols] : {std::pair{TextKind::kRandomLetters, "abcdefghijklmnopqrstuvwxyz"}, {TextKind::kDigits, "0123456789"}})
    for (const auto& word : words_of(passage("", kind, 3000, 1, 1))) {
      EXPECT_TRUE(word.size() >= 2 && word.size() <= 10) << word;
      EXPECT_EQ(word.find_first_not_of(symbols), std::string::npos);
    }
}

TEST(Passage, SeedAndIndexMatter) {
  const auto source = sample("en_state_of_the_union_1953");
  for (int kind = 0; kind < 5; ++kind) {
    std::set<std::string> texts;
    for (uint64_t seed = 0; seed < 4; ++seed)
      for (uint64_t index = 0; index < 4; ++index) texts.insert(passage(source, TextKind(kind), 400, seed, index));
    EXPECT_GE(texts.size(), 14u) << kind;
  }
}

TEST(Kinds, SentencesAreShuffledAndNothingIsLost) {
  const std::string source = "One bird sang. Two cats slept. Three dogs ran home. Four mice hid. Five owls flew away.";
  const std::string shuffled = passage(source, TextKind::kShuffledSentences, source.size(), 3, 0);
  EXPECT_NE(shuffled, source);
  for (const char* sentence : {"One bird sang.", "Two cats slept.", "Three dogs ran home.", "Four mice hid.", "Five owls flew away."})
    EXPECT_NE(shuffled.find(sentence), std::string::npos) << sentence << " in " << shuffled;
}

TEST(Kinds, NamesAndNumbersAreSwapped) {
  const std::string source = "In spring old Martin Gale met Lucy at Dover. They owed Peter Hobb 4217 crowns, said Agnes. He wrote to Bruges in 1904.";
  const std::string swapped = passage(source, TextKind::kSwappedEntities, source.size(), 5, 0);
  EXPECT_EQ(swapped.rfind("In spring old ", 0), 0u) << swapped;
  EXPECT_EQ(swapped.find("4217"), std::string::npos) << swapped;
  EXPECT_EQ(swapped.find("1904"), std::string::npos) << swapped;
  EXPECT_EQ(swapped.find("old Martin Gale met"), std::string::npos) << swapped;
  EXPECT_NE(swapped.find("They owed "), std::string::npos) << swapped;  // begins a sentence: no name
  EXPECT_EQ(passage(source, TextKind::kSwappedEntities, source.size(), 5, 0), swapped);
  EXPECT_THROW(passage("nothing here has a name.", TextKind::kSwappedEntities, 20, 0, 0), ConfigError);
}

}  // namespace
}  // namespace fovea::datasets
