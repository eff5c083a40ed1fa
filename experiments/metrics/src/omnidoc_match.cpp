#include "omnidoc_match.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "fovea/metrics/assignment.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/table.h"
#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;
using Indices = std::vector<size_t>;

constexpr double kNear = 0.25;      // settled at once
constexpr double kFar = 0.7;        // a pair of the Hungarian above this is undone
constexpr double kPartOfTruth = 0.6;
constexpr double kTruthInPiece = 0.4;
constexpr size_t kLongestRun = 160;  // of 1.6; no page comes near it

// Lines that are not empty, raw and normalised. Items keep all: look-ups by a line's index slip where a line is left out, as upstream.
struct Lines {
  std::vector<Text> raw, normal, category;
  size_t size() const { return raw.size(); }
  void add(Text raw_text, Text normal_text, Text category_name) {
    if (raw_text.empty() || normal_text.empty()) return;
    raw.push_back(std::move(raw_text));
    normal.push_back(std::move(normal_text));
    category.push_back(std::move(category_name));
  }
};

OmniDocVersion version_of(LineKind kind) {
  if (kind == LineKind::kMixed16 || kind == LineKind::kHtmlTable16) return OmniDocVersion::k1_6;
  return kind == LineKind::kMixed ? OmniDocVersion::k1_5 : OmniDocVersion::k1_0;
}
bool is_mixed(LineKind kind) { return kind == LineKind::kMixed || kind == LineKind::kMixed16; }
// normalize_table_match_content of 1.6
Text comparable_table(const Text& html) { return contains(lower(html), U"<table") ? normalized_html_table(html, OmniDocVersion::k1_6) : html; }

Lines truth_lines(const std::vector<TruthBlock>& truth, LineKind kind) {
  Lines out;
  for (const auto& block : truth) {
    const bool formula = kind == LineKind::kFormula || (is_mixed(kind) && block.category == U"equation_isolated");
    if (kind == LineKind::kHtmlTable16) out.add(block.html, comparable_table(block.html), block.category);
    else if (kind == LineKind::kHtmlTable) out.add(block.html, block.html, block.category);
    else if (kind == LineKind::kLatexTable) out.add(block.html, block.latex, block.category);
    else if (formula) out.add(block.latex, normalized_formula(block.latex, version_of(kind)), block.category);
    else out.add(block.text, normalized_text(block.text, version_of(kind)), block.category);
  }
  return out;
}

Lines piece_lines(const std::vector<OmniDocPiece>& pieces, LineKind kind) {
  Lines out;
  for (const auto& piece : pieces) {
    const bool text = kind == LineKind::kText || (is_mixed(kind) && piece.category == U"text_all");
    const bool formula = kind == LineKind::kFormula || (is_mixed(kind) && piece.category == U"equation_isolated");
    if (kind == LineKind::kHtmlTable16) out.add(piece.content, comparable_table(piece.content), piece.category);
    else out.add(piece.content, text ? normalized_text(piece.content, version_of(kind)) : formula ? normalized_formula(piece.content, version_of(kind)) : piece.content, piece.category);
  }
  return out;
}

Json position_of(const TruthBlock& block) { return block.order.is_number() && block.order.get<double>() != 0 ? block.order : Json(""); }
Text category_of(const OmniDocPiece& piece) { return piece.fine_category.empty() ? piece.category : piece.fine_category; }

Text joined(const std::vector<Text>& lines, const Indices& indices, View separator) {
  Text out;
  for (size_t k = 0; k < indices.size(); ++k) out += (k > 0 ? Text(separator) : Text()) + lines[indices[k]];
  return out;
}

Costs distances(const std::vector<Text>& truth, const std::vector<Text>& pieces, bool normalised = true) {
  Costs out(truth.size(), pieces.size());
  const auto put = [&](size_t i, size_t j, size_t edits) {
    const size_t longer = std::max(truth[i].size(), pieces[j].size());
    out.at(i, j) = !normalised ? double(edits) : longer == 0 ? 0 : double(edits) / double(longer);
  };
  // Two long texts go over a band; of all others the one is the pattern that makes fewer steps, and all that a pattern is compared with goes at once.
  const std::vector<EditPattern> truth_patterns(truth.begin(), truth.end()), piece_patterns(pieces.begin(), pieces.end());
  const auto is_long = [&](size_t i, size_t j) { return std::min(truth[i].size(), pieces[j].size()) > 2048; };
  const auto truth_is_pattern = [&](size_t i, size_t j) { return truth_patterns[i].work(pieces[j].size()) <= piece_patterns[j].work(truth[i].size()); };
  std::vector<View> texts;
  Indices places;
  std::vector<size_t> found;
  const auto measure = [&](const EditPattern& pattern, auto&& place) {
    found.resize(texts.size());
    pattern.distances(texts.data(), texts.size(), found.data());
    for (size_t k = 0; k < texts.size(); ++k) place(places[k], found[k]);
    texts.clear(), places.clear();
  };
  for (size_t i = 0; i < truth.size(); ++i) {
    for (size_t j = 0; j < pieces.size(); ++j) {
      if (is_long(i, j)) put(i, j, edit_distance(truth[i], pieces[j]));
      else if (truth_is_pattern(i, j)) texts.push_back(pieces[j]), places.push_back(j);
    }
    measure(truth_patterns[i], [&](size_t j, size_t edits) { put(i, j, edits); });
  }
  for (size_t j = 0; j < pieces.size(); ++j) {
    for (size_t i = 0; i < truth.size(); ++i)
      if (!is_long(i, j) && !truth_is_pattern(i, j)) texts.push_back(truth[i]), places.push_back(i);
    measure(piece_patterns[j], [&](size_t i, size_t edits) { put(i, j, edits); });
  }
  return out;
}

// The greatest number of edits whose share of `length` is below (or_equal: at most) `threshold`; nullopt if none is.
std::optional<size_t> edits_below(size_t length, double threshold, bool or_equal) {
  std::optional<size_t> best;
  for (size_t e = size_t(std::max(0.0, std::floor(threshold * double(length)) - 1)); e <= length; ++e) {
    const double share = double(e) / double(length);
    if (share < threshold || (or_equal && share == threshold)) best = e;
    else break;
  }
  return best;
}

// Whether `part` lies within the share of edits of some window of `whole`; false if it is longer.
bool lies_in(const EditPattern& part, View whole, double threshold, bool or_equal) {
  if (part.size() == 0 || part.size() > whole.size()) return false;
  const auto limit = edits_below(part.size(), threshold, or_equal);
  return limit && part.some_window_within(whole, *limit);
}
bool lies_in(View part, View whole, double threshold, bool or_equal) {
  return part.size() <= whole.size() && lies_in(EditPattern(part), whole, threshold, or_equal);
}

struct Run {
  Indices pieces;
  double cost;
};

// Of overlapping runs, the compatible ones of lowest mean cost.
std::vector<Indices> without_overlap(std::vector<Run> runs) {
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.pieces[0] < b.pieces[0]; });
  const auto overlap = [](const Indices& a, const Indices& b) {
    for (size_t x : a)
      if (std::find(b.begin(), b.end(), x) != b.end()) return true;
    return false;
  };
  std::vector<std::vector<Run>> groups;
  for (const auto& run : runs) {
    bool joins = false;
    if (!groups.empty())
      for (const auto& other : groups.back()) joins = joins || overlap(run.pieces, other.pieces);
    if (!joins) groups.emplace_back();
    groups.back().push_back(run);
  }
  std::vector<Indices> out;
  for (const auto& group : groups) {
    if (group.size() == 1) {
      out.push_back(group[0].pieces);
      continue;
    }
    std::vector<std::vector<Run>> paths = {{group[0]}};
    for (size_t g = 1; g < group.size(); ++g) {
      const Run& run = group[g];
      bool new_path = true;
      for (auto& path : paths) {
        bool clashes = false, same = false;
        for (size_t k = 0; k < path.size(); ++k) {  // the list may change below: so it does upstream
          if (path[k].pieces == run.pieces) {
            clashes = same = true;
            if (path[k].cost > run.cost) {
              path.erase(path.begin() + long(k));
              path.push_back(run);
            }
          } else if (overlap(path[k].pieces, run.pieces)) {
            clashes = true;
          }
        }
        if (!clashes) path.push_back(run), new_path = false;
        if (same) new_path = false;
      }
      if (new_path) paths.push_back({run});
    }
    double least = std::numeric_limits<double>::infinity();
    const std::vector<Run>* best = nullptr;
    for (const auto& path : paths) {
      double sum = 0;
      for (const auto& run : path) sum += run.cost;
      if (sum / double(path.size()) < least) least = sum / double(path.size()), best = &path;
    }
    if (best)
      for (const auto& run : *best) out.push_back(run.pieces);
  }
  return out;
}

// Columns of pieces, adjacent ones joined where that helps a block.
std::vector<Indices> joined_columns(const Costs& costs, const std::vector<Text>& truth, const std::vector<Text>& pieces) {
  std::vector<bool> row_settled(truth.size(), false), column_settled(pieces.size(), false);
  for (size_t i = 0; i < truth.size(); ++i)
    for (size_t j = 0; j < pieces.size(); ++j)
      if (costs.at(i, j) < kNear) row_settled[i] = column_settled[j] = true;
  std::vector<Run> runs;
  std::vector<std::optional<EditPattern>> patterns(pieces.size());
  const auto pattern_of = [&](size_t j) -> const EditPattern& { return patterns[j] ? *patterns[j] : patterns[j].emplace(pieces[j]); };
  for (size_t i = 0; i < truth.size(); ++i) {
    if (row_settled[i]) continue;
    const EditPattern truth_pattern(truth[i]);
    const auto distance_to = [&](const Text& text) {
      if (std::min(truth[i].size(), text.size()) > 2048) return normalized_edit_distance(truth[i], text);
      return double(truth_pattern.distance(text)) / double(std::max(truth[i].size(), text.size()));
    };
    Run best{{}, std::numeric_limits<double>::infinity()};
    for (size_t j = 0; j < pieces.size(); ++j) {
      if (column_settled[j]) continue;
      // The next piece joins if that is no worse and it lies in the block, as those before it do; after the block's length is passed no more do.
      Indices run = {j};
      double cost = costs.at(i, j);
      Text text = pieces[j];
      for (size_t next = j + 1; next < pieces.size() && !column_settled[next] && run.size() < kLongestRun; ++next) {
        if (run.size() == 1 && !lies_in(pattern_of(j), truth[i], kPartOfTruth, /*or_equal=*/true)) break;
        if (!lies_in(pattern_of(next), truth[i], kPartOfTruth, /*or_equal=*/false)) break;
        text += U' ' + pieces[next];
        const double joined_cost = distance_to(text);
        if (joined_cost > cost) break;
        cost = joined_cost;
        run.push_back(next);
        if (text.size() > truth[i].size()) break;
      }
      if (cost < best.cost) best = {run, cost};
    }
    if (!best.pieces.empty()) runs.push_back(std::move(best));
  }
  const auto kept = without_overlap(std::move(runs));
  std::vector<Indices> columns;
  for (size_t j = 0; j < pieces.size(); ++j) columns.push_back({j});
  for (const auto& run : kept) {
    const auto at = std::find_if(columns.begin(), columns.end(), [&](const Indices& column) { return column.size() == 1 && column[0] == run[0]; });
    if (at == columns.end()) continue;
    const auto place = at - columns.begin();
    columns.erase(at, columns.begin() + std::min<long>(long(columns.size()), place + long(run.size())));
    columns.insert(columns.begin() + place, run);
  }
  return columns;
}

// Pairs of the pool: which blocks each set of pieces stands for, in the order in which they were found.
struct Pair {
  Indices pieces, truth;
  double edit = 1;  // what upstream notes; pairs of the rest count as unmatched there
};

// may_lie_in: blocks that may be attached to a piece that holds them among other text; empty: all.
std::vector<Pair> pair_up(const std::vector<Text>& truth, const std::vector<Text>& pieces, bool absolute_rest, bool double_rest, const std::vector<bool>& may_lie_in) {
  const Costs costs = distances(truth, pieces);
  const auto columns = joined_columns(costs, truth, pieces);
  std::vector<Text> column_lines;
  for (const auto& column : columns) column_lines.push_back(joined(pieces, column, U" "));
  const bool unchanged = columns.size() == pieces.size();
  const Costs column_costs = unchanged ? costs : distances(truth, column_lines);
  std::map<size_t, size_t> column_of;
  for (const auto& [row, column] : assign(column_costs)) column_of[row] = column;

  std::vector<Pair> pairs;
  std::map<Indices, size_t> pair_of;
  std::set<size_t> matched_truth;
  Indices unmatched;
  for (size_t i = 0; i < truth.size(); ++i) {
    const auto found = column_of.find(i);
    if (found == column_of.end() || column_costs.at(i, found->second) > kFar) {
      unmatched.push_back(i);
      continue;
    }
    const Indices& key = columns[found->second];
    pair_of[key] = pairs.size();
    pairs.push_back({key, {i}});
    matched_truth.insert(i);
  }
  for (size_t j = 0; j < pieces.size(); ++j) {
    Indices inside;
    for (size_t i : unmatched)
      if ((may_lie_in.empty() || may_lie_in[i]) && lies_in(truth[i], pieces[j], kTruthInPiece, /*or_equal=*/false)) inside.push_back(i);
    if (inside.empty()) continue;
    const auto [at, is_new] = pair_of.try_emplace(Indices{j}, pairs.size());
    if (is_new) pairs.push_back({{j}, {}});
    for (size_t i : inside)
      if (matched_truth.insert(i).second) pairs[at->second].truth.push_back(i);
  }
  std::set<size_t> used;
  for (auto& pair : pairs) {
    std::sort(pair.truth.begin(), pair.truth.end());
    used.insert(pair.pieces.begin(), pair.pieces.end());
    pair.edit = pair.truth.size() > 1 ? v16::distance(joined(truth, pair.truth, U""), pieces[pair.pieces[0]])
                : pair.truth.empty()  ? 1
                                      : v16::distance(truth[pair.truth[0]], joined(pieces, pair.pieces, U" "));
  }
  std::erase_if(pairs, [](const Pair& pair) { return pair.truth.empty(); });
  Indices rest_truth, rest_pieces;
  for (size_t i = 0; i < truth.size(); ++i)
    if (!matched_truth.count(i)) rest_truth.push_back(i);
  for (size_t j = 0; j < pieces.size(); ++j)
    if (!used.count(j)) rest_pieces.push_back(j);
  bool twice = false;
  if (!rest_pieces.empty() && !rest_truth.empty()) {
    std::vector<Text> a, b;
    for (size_t i : rest_truth) a.push_back(truth[i]);
    for (size_t j : rest_pieces) b.push_back(pieces[j]);
    for (const auto& [row, column] : assign(distances(a, b, !absolute_rest))) {
      pairs.push_back({{rest_pieces[column]}, {rest_truth[row]}});
      matched_truth.insert(rest_truth[row]);
    }
  } else if (!rest_pieces.empty()) {
    pairs.push_back({rest_pieces, {}});
  } else {
    twice = double_rest;
  }
  for (int turn = 0; turn <= int(twice); ++turn)
    for (size_t i = 0; i < truth.size(); ++i)
      if (!matched_truth.count(i)) pairs.push_back({{}, {i}});
  return pairs;
}

// A block or formula of one column with several rows, each row its own block or piece.
struct ArrayRows {
  std::vector<Text> rows;
  std::vector<size_t> begin;  // of each row in the text
};
std::optional<ArrayRows> single_column_array(View text) {
  const View open = U"\\begin{array}{", close = U"\\end{array}";
  for (size_t at = 0; (at = text.find(open, at)) != View::npos; ++at) {
    const size_t spec_end = text.find(U'}', at + open.size());
    const size_t end = spec_end == View::npos ? View::npos : text.find(close, spec_end + 1);
    if (end == View::npos) return std::nullopt;
    Text spec;
    for (size_t i = at + open.size(); i < spec_end; ++i)
      if (!is_space(text[i]) && text[i] != '|') spec += text[i];
    if (spec != U"l" && spec != U"c" && spec != U"r") return std::nullopt;
    ArrayRows out;
    const View body = text.substr(spec_end + 1, end - spec_end - 1);
    size_t from = 0;
    for (View part : split(body, U"\\\\")) {
      const View row = strip(part);
      if (row.empty()) continue;
      size_t where = body.find(row, from);
      if (where == View::npos) where = from;
      from = where + row.size();
      out.rows.emplace_back(row);
      out.begin.push_back(spec_end + 1 + where);
    }
    return out;
  }
  return std::nullopt;
}

std::vector<TruthBlock> split_array_blocks(std::vector<TruthBlock> blocks) {
  std::vector<TruthBlock> out;
  for (auto& block : blocks) {
    const auto rows = block.category == U"equation_isolated" && block.order.is_number() ? single_column_array(block.latex) : std::nullopt;
    if (!rows) {
      out.push_back(std::move(block));
      continue;
    }
    for (size_t k = 0; k < rows->rows.size(); ++k) {
      TruthBlock row = block;
      row.latex = U"\\[" + rows->rows[k] + U"\\]";
      row.order = std::round((block.order.get<double>() + double(k + 1) / 10) * 10) / 10;
      out.push_back(std::move(row));
    }
  }
  return out;
}

std::vector<OmniDocPiece> split_array_pieces(std::vector<OmniDocPiece> pieces) {
  std::vector<OmniDocPiece> out;
  for (auto& piece : pieces) {
    const auto rows = piece.category == U"equation_isolated" ? single_column_array(piece.content) : std::nullopt;
    if (!rows) {
      out.push_back(std::move(piece));
      continue;
    }
    for (size_t k = 0; k < rows->rows.size(); ++k) {
      OmniDocPiece row = piece;
      row.content = U"\\[" + rows->rows[k] + U"\\]";
      row.begin = piece.begin + int64_t(rows->begin[k]);
      row.end = row.begin + int64_t(rows->rows[k].size()) - 1;
      out.push_back(std::move(row));
    }
  }
  return out;
}

Text most_common(const std::vector<Text>& categories) {
  Text best;
  long most = 0;
  for (const auto& category : categories)
    if (const long count = std::count(categories.begin(), categories.end(), category); count > most) most = count, best = category;
  return best;
}

std::vector<Text> chosen(const std::vector<Text>& lines, const Indices& indices) {
  std::vector<Text> out;
  for (size_t index : indices) out.push_back(lines[index]);
  return out;
}

// Several formulas as one array.
Text stacked(const std::vector<Text>& lines, const Indices& indices) {
  Text out = U"\\begin{array}{l} ";
  for (size_t k = 0; k < indices.size(); ++k) out += (k > 0 ? U" \\\\ {" : U"{") + Text(strip(strip(lines[indices[k]], U"$"), U"\n")) + U"}";
  return out + U" \\end{array}";
}

}  // namespace

bool is_ignored_category(std::u32string_view category) {
  static constexpr View kIgnored[] = {U"figure_caption", U"figure_footnote", U"table_caption", U"table_footnote", U"code_algorithm", U"code_algorithm_caption",
                                      U"header", U"footer", U"page_footnote", U"page_number", U"equation_caption"};
  return std::find(std::begin(kIgnored), std::end(kIgnored), category) != std::end(kIgnored);
}

std::vector<MatchedSample> match_quick(std::vector<TruthBlock> truth, std::vector<OmniDocPiece> pieces, LineKind kind, const std::string& page, bool rows_of_pieces, const MatchQuirks& quirks) {
  const bool mixed = is_mixed(kind), is_16 = kind == LineKind::kMixed16;
  if (mixed) {
    truth = is_16 ? v16::split_rows(std::move(truth)) : split_array_blocks(std::move(truth));
    v16::sort_inline_last(pieces);
    if (rows_of_pieces) pieces = is_16 ? v16::split_rows(std::move(pieces)) : split_array_pieces(std::move(pieces));
  }
  const Lines truth_all = truth_lines(truth, kind), pieces_all = piece_lines(pieces, kind);
  std::vector<MatchedSample> out;
  // indices are those of the lines; items are looked up by them
  const auto add = [&](const Indices& truth_index, const Indices& piece_index, double edit) {
    MatchedSample sample;
    sample.page = page;
    sample.truth_index = truth_index;
    sample.prediction_index = piece_index;
    sample.normal_truth = joined(truth_all.normal, truth_index, U"");
    sample.normal_prediction = joined(pieces_all.normal, piece_index, U"");
    std::vector<Text> categories, scored;
    for (size_t i : truth_index) {
      categories.push_back(truth_all.category[i]);
      if (!is_ignored_category(categories.back())) scored.push_back(categories.back());
      sample.truth_position.push_back(position_of(truth[i]));
      sample.truth_attribute.push_back(truth[i].attribute);
    }
    sample.truth_category = most_common(scored.empty() ? categories : scored);
    if (!piece_index.empty()) {
      sample.prediction_category = category_of(pieces[piece_index[0]]);
      sample.prediction_position = pieces[piece_index[0]].begin;
    }
    const bool stack_truth = mixed && sample.truth_category == U"equation_isolated" && truth_index.size() > 1;
    const bool stack_pieces = mixed && contains(sample.prediction_category, U"equation") && piece_index.size() > 1;
    sample.truth = stack_truth ? (is_16 ? v16::stacked(chosen(truth_all.raw, truth_index)) : stacked(truth_all.raw, truth_index)) : joined(truth_all.raw, truth_index, U"");
    sample.prediction = stack_pieces ? (is_16 ? v16::stacked(chosen(pieces_all.raw, piece_index)) : stacked(pieces_all.raw, piece_index)) : joined(pieces_all.raw, piece_index, U"");
    if (truth_index.empty()) sample.truth_attribute = {Json::object()};
    sample.edit = edit;
    out.push_back(std::move(sample));
  };
  if (truth_all.size() == 0) {
    if (!mixed || !quirks.extra_costs_nothing)
      for (size_t j = 0; j < pieces_all.size(); ++j) add({}, {j}, 1);
    return out;
  }
  if (pieces_all.size() == 0) {
    for (size_t i = 0; i < truth_all.size(); ++i) add({i}, {}, 1);
    return out;
  }
  if (truth_all.size() == 1 && pieces_all.size() == 1) {
    add({0}, {0}, v16::distance(truth_all.normal[0], pieces_all.normal[0]));
    return out;
  }
  Indices truth_pool, piece_pool, ignored;
  for (size_t i = 0; i < truth_all.size(); ++i) (mixed && is_ignored_category(truth_all.category[i]) ? ignored : truth_pool).push_back(i);
  struct Near {
    size_t row, piece;
    double edit;
  };
  std::vector<Near> near;
  std::vector<bool> absorbed(pieces_all.size(), false);
  for (size_t r = 0; r < ignored.size(); ++r) {
    const EditPattern pattern(truth_all.normal[ignored[r]]);
    for (size_t j = 0; j < pieces_all.size(); ++j) {
      const size_t size = pieces_all.normal[j].size(), longer = std::max(pattern.size(), size), shorter = std::min(pattern.size(), size);
      if (double(longer - shorter) / double(longer) >= kNear) continue;  // their lengths alone keep them apart
      const double edit = double(pattern.distance(pieces_all.normal[j])) / double(longer);
      if (edit >= kNear) continue;
      absorbed[j] = true;
      near.push_back({r, j, edit});
    }
  }
  for (size_t j = 0; j < pieces_all.size(); ++j)
    if (!absorbed[j]) piece_pool.push_back(j);
  std::vector<bool> may_lie_in;
  std::vector<Text> truth_normal, piece_normal;
  for (size_t i : truth_pool) {
    truth_normal.push_back(truth_all.normal[i]);
    if (is_16) may_lie_in.push_back(truth_all.category[i] != U"equation_isolated");
  }
  for (size_t j : piece_pool) piece_normal.push_back(pieces_all.normal[j]);
  for (const auto& pair : pair_up(truth_normal, piece_normal, /*absolute_rest=*/!mixed, /*double_rest=*/!mixed && quirks.missing_counts_twice, may_lie_in)) {
    if (pair.truth.empty() && mixed && quirks.extra_costs_nothing) continue;
    Indices truth_index, piece_index;
    for (size_t i : pair.truth) truth_index.push_back(truth_pool[i]);
    for (size_t j : pair.pieces) piece_index.push_back(piece_pool[j]);
    add(truth_index, piece_index, pair.edit);
  }
  // upstream looks items up among those that are left of its own pool: the same items, for they were filtered alike
  if (!is_16) return out;
  // Blocks that are not scored, and what they hold: 1.6 keeps others from it. The last near piece counts; what other ones were near goes to the blocks without.
  std::map<size_t, size_t> nearest;
  for (size_t k = 0; k < near.size(); ++k) nearest[near[k].row] = k;
  Indices rows_left, near_left;
  for (size_t r = 0; r < ignored.size(); ++r)
    if (!nearest.count(r)) rows_left.push_back(r);
  for (size_t k = 0; k < near.size(); ++k) {
    if (nearest[near[k].row] == k) add({ignored[near[k].row]}, {near[k].piece}, near[k].edit);
    else near_left.push_back(k);
  }
  std::set<size_t> paired;
  if (!rows_left.empty() && !near_left.empty()) {
    std::vector<Text> a, b;
    for (size_t r : rows_left) a.push_back(truth_all.normal[ignored[r]]);
    for (size_t k : near_left) b.push_back(pieces_all.normal[near[k].piece]);
    for (const auto& [row, column] : assign(distances(a, b))) {
      add({ignored[rows_left[row]]}, {near[near_left[column]].piece}, 1);
      paired.insert(rows_left[row]);
    }
  }
  for (size_t r : rows_left)
    if (!paired.count(r)) add({ignored[r]}, {}, 1);
  return out;
}

std::vector<MatchedSample> match_simple(const std::vector<TruthBlock>& truth, const std::vector<OmniDocPiece>& pieces, LineKind kind, const std::string& page,
                                        std::vector<size_t>* unmatched, const MatchQuirks& quirks) {
  const Lines truth_all = truth_lines(truth, kind), piece_all = piece_lines(pieces, kind);
  std::vector<MatchedSample> out;
  std::map<size_t, size_t> column_of;
  const Costs costs = distances(truth_all.normal, piece_all.normal);
  std::vector<bool> taken(piece_all.size(), false);
  if (truth_all.size() > 0 && piece_all.size() > 0)
    for (const auto& [row, column] : assign(costs)) column_of[row] = column, taken[column] = true;
  for (size_t i = 0; i < truth_all.size(); ++i) {
    MatchedSample sample;
    sample.page = page;
    sample.truth_index = {i};
    sample.truth = truth_all.raw[i];
    sample.normal_truth = truth_all.normal[i];
    sample.truth_category = truth_all.category[i];
    sample.truth_position = {position_of(truth[i])};
    sample.truth_attribute = {truth[i].attribute};
    if (const auto found = column_of.find(i); found != column_of.end()) {
      const size_t j = found->second;
      sample.prediction_index = {j};
      sample.prediction = piece_all.raw[j];
      sample.normal_prediction = piece_all.normal[j];
      sample.edit = costs.at(i, j);
      if (j > 0 || !quirks.piece_0_has_no_position) {  // upstream takes index 0 for none here
        sample.prediction_category = category_of(pieces[j]);
        sample.prediction_position = pieces[j].begin;
      }
    }
    out.push_back(std::move(sample));
  }
  Indices rest;
  for (size_t j = 0; j < piece_all.size(); ++j)
    if (!taken[j]) rest.push_back(j);
  if (unmatched) *unmatched = rest;
  const bool tables = kind == LineKind::kHtmlTable || kind == LineKind::kHtmlTable16 || kind == LineKind::kLatexTable;
  if (!rest.empty() && !tables) {
    MatchedSample sample;
    sample.page = page;
    sample.prediction_index = rest;
    sample.prediction = joined(piece_all.raw, rest, U"");
    sample.normal_prediction = joined(piece_all.normal, rest, U"");
    sample.prediction_category = category_of(pieces[rest[0]]);
    sample.prediction_position = pieces[rest[0]].begin;
    sample.truth_attribute = {Json::object()};
    out.push_back(std::move(sample));
  }
  return out;
}

}  // namespace fovea::metrics
