// Training pages of text without spaces, and the probe's classes of a tokenizer of characters.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/datasets/text.h"
#include "fovea/experiments/train_pages.h"
#include "fovea/train/batcher.h"

namespace fovea {
namespace {

const std::string kSamples = std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/";

text::Tokenizer tokenizer_of(const std::string& model) { return text::Tokenizer::from_file(std::string(FOVEA_SOURCE_DIR) + "/models/" + model + "/tokenizer.json"); }

experiments::TrainPagesConfig chinese() {
  experiments::TrainPagesConfig config;
  config.text = {kSamples + "zh_xu_xiake_travels.txt"};
  config.fonts = {"WenQuanYi Micro Hei"};
  config.rare_from = "tokenizer";
  config.shuffled_share = config.letters_share = config.rare_share = 0;
  return config;
}

std::u32string without_breaks(const std::string& text) {
  std::u32string out;
  for (char32_t c : to_code_points(text))
    if (c != U'\n' && c != U' ') out += c;
  return out;
}

TEST(GlyphClasses, AreTheCharactersThatAreOneToken) {
  const train::GlyphClasses latin(tokenizer_of("reader-tiny")), han(tokenizer_of("reader-zh"));
  for (char32_t c = 0x21; c <= 0x7E; ++c) {
    EXPECT_GE(latin.of(c), 0) << uint32_t(c);
    EXPECT_GE(han.of(c), 0) << uint32_t(c);
  }
  for (char32_t c : U"\u00E9\u017F\u2014\u201C")
    if (c != 0) EXPECT_GE(latin.of(c), 0) << uint32_t(c);
  EXPECT_EQ(latin.of(U'的'), -1);
  EXPECT_EQ(latin.of(U' '), -1);
  EXPECT_EQ(latin.of(U'\n'), -1);
  for (char32_t c : U"的一是，。《》蹁") if (c != 0) EXPECT_GE(han.of(c), 0) << uint32_t(c);
  EXPECT_EQ(han.of(U'龘'), -1);
  EXPECT_GT(han.size(), 6100);
  EXPECT_EQ(std::set<char32_t>(han.code_points().begin(), han.code_points().end()).size(), size_t(han.size()));
}

TEST(TokenizerOfCharacters, ReadsEveryCharacterAsOneTokenOrAsBytes) {
  const auto tokenizer = tokenizer_of("reader-zh");
  const std::string text = datasets::read_text(kSamples + "zh_xu_xiake_travels.txt").substr(0, 30000);
  const std::string whole = replace_invalid_utf8(text);
  const auto encoding = tokenizer.encode_with_offsets(whole, false);
  EXPECT_EQ(tokenizer.decode_bytes(encoding.ids), whole);
  const auto characters = to_code_points(whole).size();
  EXPECT_LT(double(encoding.ids.size()), 1.03 * double(characters));
  size_t begin = 0;
  for (size_t end : encoding.byte_ends) {  // never more than one character
    EXPECT_LE(to_code_points(replace_invalid_utf8(whole.substr(begin, end - begin))).size(), 1u + (end - begin > 1 ? 1u : 0u));
    begin = end;
  }
  EXPECT_EQ(tokenizer.encode("龘", false).size(), 3u - size_t(tokenizer.encode("龘", false).size() == 2));
}

TEST(ChinesePages, ProseIsAPieceOfTheText) {
  const experiments::TrainPages pages(chinese(), {U'的', U'，'});
  const auto source = without_breaks(datasets::read_text(kSamples + "zh_xu_xiake_travels.txt"));
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const auto page = pages.draw({256, 220, seed});
    const auto text = without_breaks(page.text);
    EXPECT_NE(source.find(text.substr(0, text.size())), std::u32string::npos) << page.text;
    EXPECT_GT(text.size(), 160u);  // it is cut between characters, not at the last space
    EXPECT_EQ(page.text.size(), page.x_px.size());
  }
}

TEST(ChinesePages, ShuffledOnesHaveNoOrderLeft) {
  auto config = chinese();
  config.shuffled_share = 1;
  const experiments::TrainPages pages(config, {U'的', U'，'});
  const auto source = without_breaks(datasets::read_text(config.text[0]));
  size_t found = 0, total = 0;
  std::set<char32_t> all(source.begin(), source.end());
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const auto text = without_breaks(pages.draw({256, 220, seed}).text);
    EXPECT_GT(text.size(), 160u);
    for (size_t i = 0; i + 6 <= text.size(); ++i, ++total) found += source.find(text.substr(i, 6)) != std::u32string::npos;
    for (char32_t c : text) EXPECT_TRUE(all.count(c)) << uint32_t(c);
  }
  EXPECT_LT(double(found), 0.01 * double(total));  // pieces are four characters at most
}

TEST(ChinesePages, RareCharactersAreDrawnEvenlyFromTheAlphabet) {
  auto config = chinese();
  config.letters_share = 1;
  const std::vector<char32_t> alphabet = {U'鳌', U'龋', U'齑', U'黔', U'，', U'。'};
  const experiments::TrainPages pages(config, alphabet);
  std::map<char32_t, size_t> counts;
  size_t total = 0;
  for (uint64_t seed = 0; seed < 12; ++seed)
    for (char32_t c : without_breaks(pages.draw({256, 220, seed}).text)) ++counts[c], ++total;
  for (char32_t c : {U'鳌', U'龋', U'齑', U'黔'}) EXPECT_NEAR(double(counts[c]) / double(total), 0.14, 0.04) << uint32_t(c);
  EXPECT_GT(counts[U'，'] + counts[U'。'], total / 6);

  config.letters_share = 0;
  config.rare_share = 1;
  const experiments::TrainPages sprinkled(config, {U'鳌'});
  size_t rare = 0, of = 0;
  for (uint64_t seed = 0; seed < 12; ++seed)
    for (char32_t c : without_breaks(sprinkled.draw({256, 220, seed}).text)) rare += c == U'鳌', ++of;
  EXPECT_GT(double(rare) / double(of), 0.02);
  EXPECT_LT(double(rare) / double(of), 0.16);
  EXPECT_THROW(experiments::TrainPages{config}, ConfigError);  // no alphabet
}

TEST(TrainPages, FacesChangePixelsAndNotTheText) {
  experiments::TrainPagesConfig config;
  config.text = {kSamples + "en_state_of_the_union_1953.txt"};
  config.fonts = {"DejaVu Sans"};
  const experiments::TrainPages plain(config);
  config.bold_share = 1;
  const experiments::TrainPages bold(config);
  const auto a = plain.draw({256, 300, 3}), b = bold.draw({256, 300, 3});
  EXPECT_NE(a.image.pixels, b.image.pixels);
  auto one = without_breaks(a.text), other = without_breaks(b.text);
  if (one.size() > other.size()) one.swap(other);
  EXPECT_EQ(other.substr(0, one.size()), one);
}

TEST(TrainPages, WideMarginsLeaveRoomForFewerCharacters) {
  experiments::TrainPagesConfig config;
  config.text = {kSamples + "en_state_of_the_union_1953.txt"};
  config.fonts = {"DejaVu Sans"};
  config.partial_share = config.shuffled_share = config.letters_share = config.rare_share = 0;
  const experiments::TrainPages plain(config);
  config.wide_margin_share = 1;
  const experiments::TrainPages wide(config);
  int16_t widest = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const auto a = plain.draw({256, 400, seed}), b = wide.draw({256, 400, seed});
    const int16_t top = *std::min_element(b.glyph_y_px.begin(), b.glyph_y_px.end()), left = *std::min_element(b.glyph_x_px.begin(), b.glyph_x_px.end());
    EXPECT_LE(top, 256 / 3 + 40);
    // Type is as large as before where the area lost is made up for by fewer characters.
    const double share = double(b.text.size()) / double(a.text.size());
    EXPECT_LT(share, 1.0);
    EXPECT_GT(share, 0.2);
    widest = std::max({widest, top, left});
  }
  EXPECT_GT(widest, 64);
}

TEST(TrainPages, JoinedLinesAndSmallestType) {
  auto config = chinese();
  config.joined_share = 1;
  config.min_font_px = 12;
  config.partial_share = 0;
  const experiments::TrainPages pages(config, {U'的', U'，'});
  const auto page = pages.draw({256, 2000, 1});  // more than fits in type of 12 px: cut
  const size_t count = without_breaks(page.text).size();
  EXPECT_GT(count, 150u);
  EXPECT_LT(count, 256u * 256u / 144u);
  EXPECT_EQ(page.text.size(), page.x_px.size());
}

TEST(ChinesePages, GlyphsAndPlacesAgree) {
  const auto tokenizer = tokenizer_of("reader-zh");
  const train::GlyphClasses classes(tokenizer);
  const experiments::TrainPages pages(chinese(), classes.code_points());
  const auto page = pages.draw({256, 300, 5});
  size_t known = 0;
  for (uint32_t c : page.glyph_char) known += classes.of(c) >= 0;
  EXPECT_GT(double(known), 0.95 * double(page.glyph_char.size()));
  EXPECT_GT(page.glyph_char.size(), 180u);
}

}  // namespace
}  // namespace fovea
