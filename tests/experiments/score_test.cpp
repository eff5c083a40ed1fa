#include "fovea/experiments/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"

namespace fovea::experiments {
namespace {

using testing::ElementsAre;

size_t plain_distance(const std::u32string& a, const std::u32string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t best = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[b.size()];
}

// The script must cover both texts in order, its matches must match, and its edits must number `distance`.
void check_script(const std::u32string& ref, const std::u32string& hyp, const std::vector<EditRun>& script, size_t distance) {
  size_t i = 0, j = 0, edits = 0;
  EditKind previous = EditKind::kMatch;
  bool first = true;
  for (const auto& run : script) {
    ASSERT_EQ(run.ref_begin, i);
    ASSERT_EQ(run.hyp_begin, j);
    ASSERT_GT(run.length, 0u);
    if (!first) { ASSERT_NE(run.kind, previous); }
    first = false;
    previous = run.kind;
    const bool in_ref = run.kind != EditKind::kInsert, in_hyp = run.kind != EditKind::kDelete;
    ASSERT_LE(i + (in_ref ? run.length : 0), ref.size());
    ASSERT_LE(j + (in_hyp ? run.length : 0), hyp.size());
    for (size_t t = 0; in_ref && in_hyp && t < run.length; ++t) ASSERT_EQ(ref[i + t] == hyp[j + t], run.kind == EditKind::kMatch);
    if (run.kind != EditKind::kMatch) edits += run.length;
    if (in_ref) i += run.length;
    if (in_hyp) j += run.length;
  }
  ASSERT_EQ(i, ref.size());
  ASSERT_EQ(j, hyp.size());
  ASSERT_EQ(edits, distance);
}

std::u32string random_text(Rng& rng, size_t length, uint64_t alphabet) {
  std::u32string out;
  for (; length > 0; --length) out += char32_t((alphabet > 1000 ? 0x4E00 : 'a') + rng.below(alphabet));
  return out;
}
std::u32string damaged(Rng& rng, const std::u32string& text, double rate, uint64_t alphabet) {
  std::u32string out;
  for (char32_t c : text) {
    if (!rng.chance(rate)) {
      out += c;
      continue;
    }
    const uint64_t kind = rng.below(4);
    if (kind == 0) out += random_text(rng, 1, alphabet);
    if (kind == 1) out += c, out += random_text(rng, 1 + rng.below(3), alphabet);
    if (kind == 3) out += random_text(rng, rng.below(100) == 0 ? 90 : 1, alphabet);
  }
  return out;
}

void check_pair(const std::u32string& ref, const std::u32string& hyp) {
  const size_t expected = plain_distance(ref, hyp);
  ASSERT_EQ(edit_distance(ref, hyp), expected);
  std::vector<EditRun> script;
  ASSERT_EQ(edit_script(ref, hyp, script), expected);
  ASSERT_NO_FATAL_FAILURE(check_script(ref, hyp, script, expected));
}

TEST(EditDistance, EqualsTheTableOnShortRandomPairs) {
  Rng rng(1);
  for (int round = 0; round < 6000; ++round) {
    const uint64_t alphabet = 1 + rng.below(5);
    ASSERT_NO_FATAL_FAILURE(check_pair(random_text(rng, rng.below(40), alphabet), random_text(rng, rng.below(40), alphabet)));
  }
}

TEST(EditDistance, EqualsTheTableOnLongerPairs) {
  Rng rng(2);
  for (int round = 0; round < 400; ++round) {
    const uint64_t alphabet = round % 3 == 0 ? 2 : round % 3 == 1 ? 26 : 3000;
    const auto ref = random_text(rng, rng.below(900), alphabet);
    const double rate = rng.chance(0.2) ? 0.7 : 0.1 * rng.uniform();
    ASSERT_NO_FATAL_FAILURE(check_pair(ref, damaged(rng, ref, rate, alphabet)));
    ASSERT_NO_FATAL_FAILURE(check_pair(ref, random_text(rng, rng.below(900), alphabet)));
  }
}

TEST(EditDistance, BlockEdgesAndMovedText) {
  Rng rng(3);
  for (size_t n : {1, 2, 63, 64, 65, 127, 128, 129, 192, 300})
    for (size_t m : {1, 2, 63, 64, 65, 127, 128, 129, 192, 300})
      ASSERT_NO_FATAL_FAILURE(check_pair(random_text(rng, n, 3), random_text(rng, m, 3)));
  for (size_t shift : {1, 30, 64, 100, 250}) {  // the best script leaves the first, narrow band
    const auto middle = random_text(rng, 700, 26), lead = random_text(rng, shift, 26);
    ASSERT_NO_FATAL_FAILURE(check_pair(lead + middle, middle + lead));
    ASSERT_NO_FATAL_FAILURE(check_pair(middle, lead + middle));
    ASSERT_NO_FATAL_FAILURE(check_pair(lead + middle, middle));
  }
}

TEST(EditDistance, EmptyTexts) {
  std::vector<EditRun> script = {{EditKind::kMatch, 7, 7, 7}};
  EXPECT_EQ(edit_script(U"", U"", script), 0u);
  EXPECT_TRUE(script.empty());
  EXPECT_EQ(edit_script(U"ab", U"", script), 2u);
  check_script(U"ab", U"", script, 2);
  EXPECT_EQ(edit_script(U"", U"abc", script), 3u);
  check_script(U"", U"abc", script, 3);
  EXPECT_EQ(edit_distance(U"kitten", U"sitting"), 3u);
}

TEST(EditDistance, HirschbergOnLargeTexts) {  // more columns than are kept for the way back
  Rng rng(4);
  const auto ref = random_text(rng, 150000, 40);
  const auto hyp = damaged(rng, ref, 0.03, 40);
  std::vector<EditRun> script;
  const size_t distance = edit_script(ref, hyp, script);
  EXPECT_EQ(distance, edit_distance(ref, hyp));
  check_script(ref, hyp, script, distance);
  const auto chinese = random_text(rng, 60000, 5000);  // match masks as lists
  const auto chinese_read = damaged(rng, chinese, 0.1, 5000);
  const size_t chinese_distance = edit_script(chinese, chinese_read, script);
  EXPECT_EQ(chinese_distance, edit_distance(chinese_read, chinese));
  check_script(chinese, chinese_read, script, chinese_distance);
}

TEST(EditDistance, TenMegabytesNearlyEqual) {
  Rng rng(5);
  const auto ref = random_text(rng, 10'000'000, 60);
  auto hyp = ref;
  for (size_t at = 1000; at < hyp.size(); at += 400'000) hyp[at] = U'?';
  hyp.erase(5'000'000, 20);
  std::vector<EditRun> script;
  const auto begin = std::chrono::steady_clock::now();
  const size_t distance = edit_script(ref, hyp, script);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  EXPECT_EQ(distance, 45u);
  check_script(ref, hyp, script, distance);
}

TEST(NormalizeSpace, AsPythonSplit) {
  EXPECT_EQ(normalize_space("  a \t\n b\u00A0\u3000c\u2028"), "a b c");
  EXPECT_EQ(normalize_space("a\x1C" "b\x85"), "a b\uFFFD");
  EXPECT_EQ(normalize_space("a\u200Bb\u180E"), "a\u200Bb\u180E");  // no white space since Unicode 6.3
  EXPECT_EQ(normalize_space(" \n "), "");
  EXPECT_EQ(normalize_space(""), "");
}

TEST(NormalizeSpace, MapsBackToTheSource) {
  const std::string text = "  é \n b\xFF c ";
  EXPECT_THAT(normalized_to_source(text), ElementsAre(2, 3, 6, 7, 8, 9));
  EXPECT_EQ(to_code_points(normalize_space(text)).size(), 6u);
}

TEST(ScoreText, WordsAreSets) {
  const auto score = score_text("the cat sat on the mat", "the cat  sat\non a hat");
  EXPECT_DOUBLE_EQ(score.precision, 4.0 / 6.0);  // the cat sat on | a hat
  EXPECT_DOUBLE_EQ(score.recall, 4.0 / 5.0);
  EXPECT_DOUBLE_EQ(score.f1, 2 * (4.0 / 6.0) * 0.8 / (4.0 / 6.0 + 0.8));
  EXPECT_EQ(score.num_edits, 4u);
  EXPECT_EQ(score.num_ref_chars, 22u);
  EXPECT_EQ(score.num_hyp_chars, 20u);
  EXPECT_DOUBLE_EQ(score.char_edit_distance, 4.0 / 22.0);
}

TEST(ScoreText, LineBreaksAreNoErrors) {
  const auto score = score_text("one two three", "one\ntwo  three\n");
  EXPECT_EQ(score.precision, 1);
  EXPECT_EQ(score.num_edits, 0u);
  ASSERT_EQ(score.script.size(), 1u);
  EXPECT_EQ(score.script[0].length, 13u);
}

TEST(ScoreText, HanCharactersAreWordsAndLinesOfThemJoin) {
  EXPECT_EQ(normalize_space("天地\n玄黄，\n“宇宙\n” 洪荒 日\nmoon"), "天地玄黄，“宇宙” 洪荒 日 moon");
  EXPECT_EQ(normalize_space("one —\ntwo"), "one — two");
  EXPECT_THAT(normalized_to_source("天\n地"), ElementsAre(0, 2));
  const auto same = score_text("天地玄黄，宇宙洪荒。", "天地玄黄，\n宇宙\n洪荒。");
  EXPECT_EQ(same.num_edits, 0u);
  EXPECT_EQ(same.precision, 1);
  const auto one_wrong = score_text("天地玄黄 abc", "天地玄黃 abc");  // 4 of 5 words
  EXPECT_DOUBLE_EQ(one_wrong.precision, 0.8);
  EXPECT_DOUBLE_EQ(one_wrong.recall, 0.8);
  EXPECT_DOUBLE_EQ(one_wrong.char_edit_distance, 1.0 / 8.0);
}

TEST(ScoreText, EmptyTexts) {
  const auto both = score_text("", " \n");
  EXPECT_EQ(both.precision, 1);
  EXPECT_EQ(both.recall, 1);
  EXPECT_EQ(both.f1, 1);
  EXPECT_EQ(both.char_edit_distance, 0);
  for (const auto& score : {score_text("text", ""), score_text("", "text")}) {
    EXPECT_EQ(score.precision, 0);
    EXPECT_EQ(score.recall, 0);
    EXPECT_EQ(score.f1, 0);
    EXPECT_EQ(score.char_edit_distance, 1);
  }
}

TEST(ScoreText, MalformedHypothesisCountsAsReplacement) {
  const auto score = score_text("a é", "a \xC3");
  EXPECT_EQ(score.num_hyp_chars, 3u);
  EXPECT_EQ(score.num_edits, 1u);
  EXPECT_THROW(score_text("\xC3", "a"), ConfigError);
}

TEST(Bootstrap, PercentileInterval) {
  const auto one = bootstrap_mean({0.25});
  EXPECT_EQ(one.low, 0.25);
  EXPECT_EQ(one.high, 0.25);
  std::vector<double> values;
  Rng rng(6);
  for (int i = 0; i < 400; ++i) values.push_back(rng.uniform());
  const auto interval = bootstrap_mean(values, 1);
  double mean = 0;
  for (double v : values) mean += v / 400;
  const double half = 1.96 * std::sqrt(1.0 / 12 / 400);
  EXPECT_NEAR(interval.low, mean - half, 0.003);
  EXPECT_NEAR(interval.high, mean + half, 0.003);
  const auto again = bootstrap_mean(values, 1), other = bootstrap_mean(values, 2);
  EXPECT_EQ(again.low, interval.low);
  EXPECT_NE(other.low, interval.low);
  EXPECT_THROW(bootstrap_mean({}), ConfigError);
}

}  // namespace
}  // namespace fovea::experiments
