// Metrics of two texts, and the verb that scores files and folders with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/assignment.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/reading.h"
#include "fovea/metrics/table.h"
#include "fovea/metrics/text_score.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::u32string random_text(Rng& rng, size_t length, uint64_t alphabet) {
  std::u32string out;
  for (size_t i = 0; i < length; ++i) out += char32_t(0x4E00 + rng.below(alphabet));
  return out;
}

TEST(EditPattern, EqualsTheBandedDistance) {
  Rng rng(3);
  for (int turn = 0; turn < 400; ++turn) {
    const auto a = random_text(rng, rng.below(200), 1 + rng.below(20)), b = random_text(rng, rng.below(200), 1 + rng.below(20));
    ASSERT_EQ(EditPattern(a).distance(b), edit_distance(a, b)) << turn;
  }
}

TEST(EditPattern, WindowsAreNeverMissed) {
  Rng rng(4);
  for (int turn = 0; turn < 300; ++turn) {
    const auto part = random_text(rng, 1 + rng.below(80), 1 + rng.below(6)), whole = random_text(rng, rng.below(160), 6);
    const size_t limit = rng.below(part.size());
    bool want = false;
    for (size_t i = 0; i + part.size() <= whole.size(); ++i) want = want || edit_distance(part, std::u32string_view(whole).substr(i, part.size())) <= limit;
    ASSERT_EQ(EditPattern(part).some_window_within(whole, limit), want) << turn;
  }
}

TEST(Assignment, CheapestOfAllPermutations) {
  Rng rng(5);
  for (int turn = 0; turn < 200; ++turn) {
    const size_t rows = 1 + rng.below(5), columns = 1 + rng.below(5);
    Costs costs(rows, columns);
    for (double& c : costs.values) c = double(rng.below(7));
    const auto pairs = assign(costs);
    ASSERT_EQ(pairs.size(), std::min(rows, columns));
    double got = 0;
    for (const auto& [r, c] : pairs) got += costs.at(r, c);
    std::vector<size_t> order(std::max(rows, columns));
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    double least = 1e9;
    do {
      double sum = 0;
      for (size_t i = 0; i < std::min(rows, columns); ++i) sum += rows <= columns ? costs.at(i, order[i]) : costs.at(order[i], i);
      least = std::min(least, sum);
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_DOUBLE_EQ(got, least) << turn;
  }
  EXPECT_TRUE(assign(Costs(0, 3)).empty());
}

TEST(Overlap, SetsBleuRougeChrf) {
  const Tokens ref = {U"the", U"cat", U"sat", U"on", U"the", U"mat"}, hyp = {U"the", U"cat", U"on", U"the", U"mat"};
  EXPECT_DOUBLE_EQ(*set_overlap(ref, hyp).precision, 1.0);
  EXPECT_DOUBLE_EQ(*set_overlap(ref, hyp).recall, 0.8);
  EXPECT_FALSE(set_overlap(ref, {}).precision.has_value());
  EXPECT_DOUBLE_EQ(*set_overlap(ref, {}).recall, 0.0);
  // 5/5 words, 3/4 pairs, 1/3 triples, 0/2 of four: the missing order makes it tiny
  EXPECT_LT(bleu(ref, hyp), 1e-70);
  EXPECT_GT(bleu(ref, hyp), 0);
  EXPECT_DOUBLE_EQ(bleu(ref, ref), 1.0);
  EXPECT_EQ(bleu(ref, {U"dog"}), 0);
  EXPECT_DOUBLE_EQ(rouge_l(ref, hyp).precision, 1.0);
  EXPECT_DOUBLE_EQ(rouge_l(ref, hyp).recall, 5.0 / 6);
  EXPECT_DOUBLE_EQ(chrf(U"abc def", U"abcdef"), 1.0);
  EXPECT_DOUBLE_EQ(chrf(U"ab", U"ac"), (1 + 4) * 0.25 * 0.25 / (4 * 0.25 + 0.25));
  EXPECT_DOUBLE_EQ(chrf(U"", U""), 1.0);
  EXPECT_DOUBLE_EQ(*word_error_rate(U"one two three four", U"one too three"), 0.5);
  EXPECT_DOUBLE_EQ(*character_error_rate(U"e\u0301a", U"ea", /*by_grapheme=*/true), 0.5);
  EXPECT_NEAR(*character_error_rate(U"e\u0301a", U"ea"), 1.0 / 3, 1e-12);
  EXPECT_FALSE(character_error_rate(U"", U"x").has_value());
}

TEST(Meteor, StemsAndChunks) {
  EXPECT_EQ(to_utf8(porter_stem(U"Relational")), "relat");
  EXPECT_EQ(to_utf8(porter_stem(U"flies")), "fli");
  EXPECT_EQ(to_utf8(porter_stem(U"dies")), "die");
  EXPECT_EQ(to_utf8(porter_stem(U"happily")), "happili");
  EXPECT_NEAR(meteor({U"a", U"b", U"c"}, {U"a", U"b", U"c"}, nullptr), 1 - 0.5 / 27, 1e-12);
  EXPECT_EQ(meteor({U"a"}, {U"b"}, nullptr), 0);
  EXPECT_GT(meteor({U"running"}, {U"runs"}, nullptr), 0.4);
}

TEST(Teds, KnownValues) {
  const auto table = [](std::u32string_view rows) { return U"<html><body><table>" + std::u32string(rows) + U"</table></body></html>"; };
  const auto one = table(U"<tr><td>ab</td><td>c</td></tr>");
  EXPECT_DOUBLE_EQ(teds(one, one).content, 1);
  EXPECT_DOUBLE_EQ(teds(table(U"<tr><td>ax</td><td>c</td></tr>"), one).content, 1 - 0.5 / 3);
  EXPECT_DOUBLE_EQ(teds(table(U"<tr><td>ax</td><td>c</td></tr>"), one).structure, 1);
  EXPECT_DOUBLE_EQ(teds(table(U"<tr><td>ab</td></tr>"), one).structure, 1 - 1.0 / 3);
  EXPECT_DOUBLE_EQ(teds(table(U"<tr><td colspan=\"2\">ab</td><td>c</td></tr>"), one).structure, 1 - 1.0 / 3);
  EXPECT_EQ(teds(U"", one).content, 0);
}

TEST(Reading, LoopsTruncationsInventions) {
  const auto facts = [](std::u32string_view ref, std::u32string_view hyp) {
    std::vector<EditRun> script;
    edit_script(ref, hyp, script);
    return reading_facts(ref, hyp, script);
  };
  std::u32string page;
  Rng rng(6);
  for (int i = 0; i < 120; ++i) {
    for (uint64_t k = 2 + rng.below(7); k-- > 0;) page += char32_t('a' + rng.below(26));
    page += U' ';
  }
  const auto perfect = facts(page, page);
  EXPECT_FALSE(perfect.looped || perfect.truncated || perfect.empty);
  EXPECT_EQ(perfect.hallucination_rate, 0);
  std::u32string loop = page.substr(0, 300);
  for (int i = 0; i < 20; ++i) loop += U"again and ";
  EXPECT_TRUE(facts(page, loop).looped);
  EXPECT_EQ(facts(page, loop).loop_period, 10u);
  EXPECT_FALSE(facts(loop, loop).looped);
  EXPECT_TRUE(facts(page, page.substr(0, 300)).truncated);
  EXPECT_NEAR(double(facts(page, page.substr(0, 300)).missing_tail), double(page.size() - 300), 60);
  EXPECT_FALSE(facts(page, page.substr(0, page.size() - 10)).truncated);
  EXPECT_TRUE(facts(page, U"").empty);
  const std::u32string invented = page + std::u32string(page.size(), U'\u4E00');
  EXPECT_NEAR(facts(page, invented).hallucination_rate, 0.5, 0.1);
  // another order is no invention
  EXPECT_LT(facts(page, page.substr(300) + page.substr(0, 300)).hallucination_rate, 0.02);
}

TEST(Words, PythonSplitAndGraphemes) {
  EXPECT_THAT(split_words(U" a\u3000b\u00A0c\n"), ElementsAre(U"a", U"b", U"c"));
  EXPECT_THAT(graphemes(U"e\u0301x\U0001F468\u200D\U0001F469"), ElementsAre(U"e\u0301", U"x", U"\U0001F468\u200D\U0001F469"));
}

class TextFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/texts_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/ref");
    std::filesystem::create_directories(folder_ + "/hyp");
    config_.reference = folder_ + "/ref";
    config_.hypothesis = folder_ + "/hyp";
  }
  void put(const std::string& name, const std::string& text) { write_file_atomic(folder_ + "/" + name, text); }
  std::string problem() {
    try {
      score_texts(config_);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::string folder_;
  TextScoreConfig config_;
};

TEST_F(TextFiles, FoldersEmptyTextsAndStrangers) {
  put("ref/a.txt", "one two three");
  put("hyp/a.md", "one two  three\n");
  put("ref/b.txt", "");
  put("hyp/b.txt", "");
  put("ref/c.txt", "four");
  put("hyp/stranger.txt", "x");
  const Json got = score_texts(config_);
  EXPECT_EQ(got["num_texts"], 3);
  EXPECT_EQ(got["texts"][0]["cer"], 0.0);
  EXPECT_EQ(got["texts"][0]["exact_match"], 0.0);
  EXPECT_EQ(got["texts"][1]["f1"], 1.0);
  EXPECT_EQ(got["texts"][2]["f1"], 0.0);
  EXPECT_EQ(got["texts"][2]["edit_distance"], 1.0);
  EXPECT_EQ(got["reading"]["num_empty"], 1);
  EXPECT_EQ(got["warnings"].size() - (got["meteor_synonyms"] == "none"), 2u);
  EXPECT_NEAR(got["total"]["cer"].get<double>(), 4.0 / 17, 1e-12);
  config_.missing = "refuse";
  EXPECT_THAT(problem(), HasSubstr("c.txt has no partner"));
}

TEST_F(TextFiles, UnknownMetricsAndFiles) {
  put("ref/a.txt", "x");
  put("hyp/b.txt", "x");
  EXPECT_THAT(problem(), HasSubstr("is called as one of"));
  config_.metrics = {"precison"};
  EXPECT_THAT(problem(), HasSubstr("did you mean 'precision'"));
  config_.metrics.clear();
  config_.hypothesis = folder_ + "/ref/a.txt";
  EXPECT_THAT(problem(), HasSubstr("both be files or both be folders"));
  config_.reference = folder_ + "/none";
  EXPECT_THAT(problem(), HasSubstr("does not exist"));
}

TEST_F(TextFiles, TextsOfTenMegabytes) {
  std::string long_text;
  while (long_text.size() < 10'000'000) long_text += "The quick brown fox jumps over the lazy dog. ";
  put("ref/a.txt", long_text);
  put("hyp/a.txt", "The quick brown fox");
  config_.metrics = {"edit_distance", "precision"};
  EXPECT_GT(score_texts(config_)["texts"][0]["edit_distance"].get<double>(), 0.99);
  long_text[5] = 'x';
  put("hyp/a.txt", long_text);
  EXPECT_THAT(problem(), HasSubstr("more than max_characters=2000000"));
}

}  // namespace
}  // namespace fovea::metrics
