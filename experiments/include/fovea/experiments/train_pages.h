// Training pages from real text through our own renderer.
#pragma once
#include "fovea/base/random.h"
#include "fovea/experiments/figure_drawing.h"
#include "fovea/experiments/table_drawing.h"
#include "fovea/render/renderer.h"
#include "fovea/train/page_source.h"

namespace fovea::experiments {

struct TrainPagesConfig {
  std::string kind = "text";             ///< text: running text | tables: one table a page, its HTML is the target; `table` says what they look like, words come from the text
                                         ///< charts: its numbers as an HTML table | segments: their ends; `figure`
  std::string channels = "gray";         ///< gray | three-texts: the text in three parts, each in a colour channel of its own; the target is the parts one after the other
  TableConfig table;
  FigureConfig figure;
  std::vector<std::string> text;         ///< UTF-8 files; a form feed line separates documents
  std::vector<std::string> valid_text;   ///< files that are not trained on, for trainer.validate_every
  std::vector<std::string> text_sha256;  ///< expected hashes of these files, empty: not checked
  std::vector<double> text_share;        ///< share of prose from each file; empty: by size
  std::vector<std::string> fonts = {"DejaVu Sans Mono", "DejaVu Sans", "DejaVu Serif", "Liberation Mono",
                                    "Liberation Sans", "Liberation Serif", "Noto Sans", "Noto Serif"};
  std::string rare_from = "latin";       ///< latin: accented letters and typographic marks | tokenizer: every character that is one token of the reader's
                                         ///< tokenizer, each as likely as any other: the commonest thousandth is met as often as the rarest
  double shuffled_share = 0.45;          ///< pages of words in random order
  double letters_share = 0.04;           ///< pages with words of random characters, rare letters and marks among them
  double letters_chars = 1;              ///< characters on such a page, of those that a page of prose would have: a token holds half as many random characters
  double vocabulary_share = 0;           ///< pages of words drawn evenly from all that the texts hold, however rare
  double rare_share = 0.25;              ///< prose and shuffled pages into which rare letters and marks are sprinkled
  double joined_share = 0;               ///< prose pages whose text has spaces in place of its line breaks, as pages of `fovea curve` have
  double min_font_px = 3;                ///< smallest type; what does not fit in it is left out
  double partial_share = 0.3;            ///< pages not filled: type smaller than what fits
  double min_size_share = 0.6;           ///< smallest type on them, as a share of what fits
  double full_hinting_share = 0.8;       ///< pages with light hinting (the others none)
  double subpixel_share = 0.15;          ///< pages with four glyph phases a pixel
  int64_t max_margin_px = 12;            ///< margins are drawn from 0 to here (and to a 16th of the page)
  double wide_margin_share = 0;          ///< pages whose text begins up to a third of the page from its left and top and ends up to a sixth before the others, with as many characters fewer
  double min_line_height = 0.95, max_line_height = 1.2;
  double bold_share = 0, italic_share = 0;  ///< pages in these faces, apart from each other; a family without such a face gets a synthetic one

  template <class V> void visit_fields(V& v) {
    v.field("kind", kind, "what pages hold", {.choices = {"text", "tables", "charts", "segments"}});
    v.field("channels", channels, "one text in gray, or three parts in three colour channels", {.choices = {"gray", "three-texts"}});
    v.field("table", table, "tables");
    v.field("figure", figure, "charts and segments");
    v.field("text", text, "text files to train on");
    v.field("valid_text", valid_text, "text files that are not trained on, for validation");
    v.field("text_sha256", text_sha256, "their hashes, checked if given");
    v.field("text_share", text_share, "share of prose from each file, by size if empty", {.min = 0});
    v.field("fonts", fonts, "font families");
    v.field("rare_from", rare_from, "where rare characters are drawn from: Latin letters and marks, or evenly from the characters of the tokenizer", {.choices = {"latin", "tokenizer"}});
    v.field("shuffled_share", shuffled_share, "pages of shuffled words", {.min = 0, .max = 1});
    v.field("letters_share", letters_share, "pages of random characters", {.min = 0, .max = 1});
    v.field("letters_chars", letters_chars, "characters on a page of random characters, of those of a page of prose", {.min = 0.05, .max = 1});
    v.field("vocabulary_share", vocabulary_share, "pages of words drawn evenly from the texts' vocabulary", {.min = 0, .max = 1});
    v.field("rare_share", rare_share, "pages with rare letters and marks sprinkled in", {.min = 0, .max = 1});
    v.field("joined_share", joined_share, "pages of prose with spaces in place of line breaks", {.min = 0, .max = 1});
    v.field("min_font_px", min_font_px, "smallest type, what does not fit in it is left out", {.min = 1, .max = 40});
    v.field("partial_share", partial_share, "pages with type smaller than what fits", {.min = 0, .max = 1});
    v.field("min_size_share", min_size_share, "smallest type on them as a share of what fits", {.min = 0.1, .max = 1});
    v.field("full_hinting_share", full_hinting_share, "pages with light hinting", {.min = 0, .max = 1});
    v.field("subpixel_share", subpixel_share, "pages with sub-pixel glyph positions", {.min = 0, .max = 1});
    v.field("max_margin_px", max_margin_px, "largest margin", {.min = 0});
    v.field("wide_margin_share", wide_margin_share, "pages with margins of up to a third of the page", {.min = 0, .max = 1});
    v.field("min_line_height", min_line_height, "smallest line height", {.min = 0.5, .max = 10});
    v.field("max_line_height", max_line_height, "largest line height", {.min = 0.5, .max = 10});
    v.field("bold_share", bold_share, "pages in bold type", {.min = 0, .max = 1});
    v.field("italic_share", italic_share, "pages in italic type", {.min = 0, .max = 1});
  }
};

/// Thread-safe; the texts are held in memory once.
class TrainPages : public train::PageSource {
 public:
  /// alphabet  with rare_from=tokenizer: the characters that pages draw from (train::GlyphClasses::code_points)
  /// Errors: IoError, ConfigError (no text, wrong hash, not UTF-8, unknown font, no alphabet where one is needed).
  explicit TrainPages(const TrainPagesConfig& config, const std::vector<char32_t>& alphabet = {});
  train::TrainPage draw(const train::PageRequest& request) const override;

 private:
  train::TrainPage draw_figure_page(const train::PageRequest& request) const;
  train::TrainPage draw_table_page(const train::PageRequest& request) const;
  /// {what goes on the page, what comes after it}
  std::pair<std::string, std::string> compose(uint64_t seed, size_t num_chars, size_t num_after) const;
  std::u32string scattered_characters(const std::string& source, size_t num_chars, Rng& rng) const;
  std::u32string evenly_drawn(size_t num_chars, Rng& rng) const;
  char32_t drawn_evenly(Rng& rng) const;
  void sprinkle_evenly(std::u32string& text, double share, Rng& rng) const;
  TrainPagesConfig config_;
  std::vector<char32_t> alphabet_, signs_;  ///< rare_from=tokenizer: all, and those that are neither letters nor Han
  std::vector<std::string> texts_;
  std::vector<bool> unspaced_;  ///< texts mostly of characters that are words alone
  std::vector<double> shares_;
  std::vector<std::string> words_;  ///< for tables
  std::vector<std::string> vocabulary_;  ///< vocabulary_share > 0: the distinct words of all texts
  render::Renderer renderer_;
};

}  // namespace fovea::experiments
