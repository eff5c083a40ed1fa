// Display formulas of a page, paired in several ways of which the cheapest counts. Source  src/dataset/end2end_dataset.py.
#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "fovea/metrics/assignment.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"

namespace fovea::metrics::v16 {
namespace {

using Pieces = std::vector<OmniDocPiece>;
using Samples = std::vector<MatchedSample>;
constexpr double kTie = 1e-12;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_rescue(View category) { return category == U"text_formula" || category == U"image_formula" || category == U"formula_rescue" || category == U"table_formula_rescue"; }

Text category_of(const OmniDocPiece& piece) {
  const Text& category = piece.fine_category.empty() ? piece.category : piece.fine_category;
  return is_rescue(category) ? Text(U"equation_isolated") : category;
}

void mark_sources(Pieces& pieces) {
  for (auto& piece : pieces) {
    if (!piece.source.empty()) continue;
    for (char c : std::to_string(piece.begin) + " " + std::to_string(piece.end) + " ") piece.source += char32_t(c);
    piece.source += piece.content + U" " + piece.fine_category + U" " + piece.category;
  }
}

// What the ways of pairing start from. Lines leave out what is empty once normalised, items do not: look-ups slip there, as upstream.
struct Prepared {
  std::vector<TruthBlock> truth_items;
  Pieces items;       // formulas of the prediction, in rows if that was asked for
  size_t num_whole;   // formulas before they were taken apart
  std::vector<Text> truth_raw, truth_normal, raw, normal;
  bool was_split() const { return items.size() > num_whole; }
};

Prepared prepare(const std::vector<TruthBlock>& truth, Pieces pieces, bool in_rows) {
  Prepared out;
  out.truth_items = split_rows(truth);
  mark_sources(pieces);
  std::stable_sort(pieces.begin(), pieces.end(), [](const OmniDocPiece& a, const OmniDocPiece& b) {
    const auto key = [](const OmniDocPiece& p) { return std::array<int64_t, 3>{p.begin, category_of(p) == U"equation_inline", p.end}; };
    return key(a) < key(b);
  });
  out.num_whole = pieces.size();
  out.items = in_rows ? split_rows(std::move(pieces)) : std::move(pieces);
  for (const auto& block : out.truth_items) {
    Text normal = normalized_formula(block.latex);
    if (!block.latex.empty() && !normal.empty()) out.truth_raw.push_back(block.latex), out.truth_normal.push_back(std::move(normal));
  }
  for (const auto& piece : out.items) {
    Text normal = normalized_formula(piece.content);
    if (!piece.content.empty() && !normal.empty()) out.raw.push_back(piece.content), out.normal.push_back(std::move(normal));
  }
  return out;
}

using Sequence = std::vector<size_t>;

Text merged_content(const std::vector<Text>& formulas) {
  std::vector<Text> kept;
  for (const auto& formula : formulas)
    if (Text bare = strip_formula_delimiters(strip(formula)); !bare.empty()) kept.push_back(std::move(bare));
  if (kept.size() <= 1) return kept.empty() ? Text() : kept[0];
  return stacked(kept);
}

Text normal_of(const Prepared& in, const Sequence& sequence) {
  Text out;
  for (size_t k = 0; k < sequence.size(); ++k) out += (k > 0 ? U" " : U"") + in.normal[sequence[k]];
  return Text(strip(out));
}

MatchedSample entry(const Prepared& in, size_t truth, const std::string& page, const Sequence& sequence) {
  MatchedSample out;
  out.page = page;
  out.truth_index = {truth};
  out.truth = in.truth_raw[truth];
  out.normal_truth = in.truth_normal[truth];
  out.truth_category = in.truth_items[truth].category;
  out.truth_position = {in.truth_items[truth].order.is_number() ? in.truth_items[truth].order : Json("")};
  out.truth_attribute = {in.truth_items[truth].attribute};
  if (sequence.empty()) return out;
  std::vector<Text> parts;
  for (size_t j : sequence) parts.push_back(in.raw[j]);
  out.prediction_index = sequence;
  out.prediction = parts.size() > 1 ? merged_content(parts) : parts[0];
  out.normal_prediction = normal_of(in, sequence);
  out.prediction_category = parts.size() > 1 ? Text(U"equation_isolated") : category_of(in.items[sequence[0]]);
  out.prediction_position = in.items[sequence[0]].begin;
  out.edit = distance(out.normal_truth, out.normal_prediction);
  return out;
}

// Every formula of the truth takes one of the prediction or none, at a cost of 1 for each that is left.
Samples by_assignment(const Prepared& in, const std::string& page) {
  const size_t n = in.truth_raw.size(), m = in.raw.size();
  Costs costs(n + m, n + m);
  for (size_t i = 0; i < n + m; ++i)
    for (size_t j = 0; j < n + m; ++j) costs.at(i, j) = i >= n && j >= m ? 0 : i < n && j < m ? distance(in.truth_normal[i], in.normal[j]) : 1;
  Samples out;
  if (n == 0) return out;
  for (const auto& [row, column] : assign(costs))
    if (row < n) out.push_back(entry(in, row, page, column < m ? Sequence{column} : Sequence()));
  return out;
}

// _enumerate_formula_merge_sequences, in its order.
void extend(Sequence& sequence, size_t max_items, size_t stop, size_t skips, std::vector<Sequence>& out) {
  out.push_back(sequence);
  if (sequence.size() >= max_items) return;
  const size_t last = sequence.back();
  for (size_t next = last + 1; next < stop && next - last - 1 <= skips; ++next) {
    sequence.push_back(next);
    extend(sequence, max_items, stop, skips - (next - last - 1), out);
    sequence.pop_back();
  }
}

bool may_merge(const Prepared& in, const Sequence& sequence) {
  if (sequence.size() < 2) return true;
  if (std::all_of(sequence.begin(), sequence.end(), [&](size_t j) { return in.items[j].source == in.items[sequence[0]].source; })) return true;
  if (sequence.back() - sequence[0] + 1 != sequence.size()) return false;
  return std::all_of(sequence.begin(), sequence.end(), [&](size_t j) { return category_of(in.items[j]) == U"equation_isolated"; });
}

// In order: each formula of the truth takes a run of the prediction's, or none. nullopt: no way through.
std::optional<Samples> in_order(const Prepared& in, const std::string& page, bool with_gaps) {
  const size_t n = in.truth_raw.size(), m = in.raw.size();
  if (n == 0 || m == 0) return std::nullopt;
  const size_t apart = n > m ? n - m : m - n;
  const size_t max_merge = std::min<size_t>(m, n <= 1 || apart < 2 ? 10 : 12), max_span = with_gaps ? std::min(m, max_merge + 2) : max_merge;
  // upstream also lets one be skipped where a formula was rescued from text, but counts these after their category has been mapped: none
  const size_t skips = !with_gaps ? 0 : apart >= 3 ? 2 : apart >= 1 || m >= 4 ? 1 : 0;
  struct Segment {
    Sequence sequence;
    Text normal;
    bool is_inline;
  };
  std::vector<std::vector<Segment>> segments(m);
  for (size_t start = 0; start < m; ++start) {
    std::vector<Sequence> sequences;
    Sequence sequence = {start};
    extend(sequence, max_merge, std::min(m, start + max_span), skips, sequences);
    for (auto& one : sequences) {
      if (!may_merge(in, one)) continue;
      Text normal = normal_of(in, one);
      if (normal.empty()) continue;
      const bool is_inline = one.size() == 1 && category_of(in.items[one[0]]) == U"equation_inline";
      segments[start].push_back({std::move(one), std::move(normal), is_inline});
    }
  }
  struct State {
    double cost = -1;  // below 0: not reached
    size_t edits = 0, length = 0, inlines = 0;
  };
  struct Parent {
    size_t i, j;
    int what = 0;  // 1 skips a prediction, 2 a truth, 3 pairs
    const Sequence* sequence = nullptr;
  };
  std::vector<State> states((n + 1) * (m + 1));
  std::vector<Parent> parents((n + 1) * (m + 1));
  const auto at = [m](size_t i, size_t j) { return i * (m + 1) + j; };
  const auto better = [](const State& a, const State& b) {
    if (b.cost < 0) return true;
    if (a.cost + kTie < b.cost) return true;
    if (a.cost > b.cost + kTie) return false;
    if (a.length > 0 && b.length > 0) {
      const uint64_t left = uint64_t(a.edits) * b.length, right = uint64_t(b.edits) * a.length;
      if (left != right) return left < right;
    } else if (a.length > 0) {
      return true;
    } else if (b.length > 0) {
      return false;
    }
    return a.inlines < b.inlines;
  };
  const auto reach = [&](size_t i, size_t j, const State& state, const Parent& parent) {
    if (better(state, states[at(i, j)])) states[at(i, j)] = state, parents[at(i, j)] = parent;
  };
  states[0].cost = 0;
  for (size_t i = 0; i <= n; ++i) {
    for (size_t j = 0; j <= m; ++j) {
      const State here = states[at(i, j)];
      if (here.cost < 0) continue;
      State next = here;
      next.cost += 1;
      if (j < m) reach(i, j + 1, next, {i, j, 1});
      if (i == n) continue;
      reach(i + 1, j, next, {i, j, 2});
      if (j == m) continue;
      const Text& truth = in.truth_normal[i];
      for (const Segment& segment : segments[j]) {
        const size_t longer = std::max(truth.size(), segment.normal.size()), shorter = std::min(truth.size(), segment.normal.size());
        const size_t target = at(i + 1, segment.sequence.back() + 1);
        // the difference in length alone already costs too much
        if (states[target].cost >= 0 && here.cost + double(longer - shorter) / double(longer) > states[target].cost + 2 * kTie) continue;
        const size_t edits = edit_distance(truth, segment.normal);
        reach(i + 1, segment.sequence.back() + 1,
              {here.cost + double(edits) / double(longer), here.edits + edits, here.length + longer, here.inlines + segment.is_inline}, {i, j, 3, &segment.sequence});
      }
    }
  }
  Samples out;
  for (size_t i = n, j = m; i > 0 || j > 0;) {
    const Parent& parent = parents[at(i, j)];
    if (parent.what == 0) return std::nullopt;
    if (parent.what == 2) out.push_back(entry(in, parent.i, page, {}));
    if (parent.what == 3) out.push_back(entry(in, parent.i, page, *parent.sequence));
    i = parent.i;
    j = parent.j;
  }
  std::reverse(out.begin(), out.end());
  if (out.size() != n) return std::nullopt;
  return out;
}

Samples with_plain_categories(Samples samples) {
  for (auto& s : samples)
    if (is_rescue(s.prediction_category)) s.prediction_category = U"equation_isolated";
  return samples;
}

Samples by_quick_match(const std::vector<TruthBlock>& truth, const Pieces& pieces, const std::string& page) {
  Samples out = match_quick(truth, pieces, LineKind::kMixed16, page, /*rows_of_pieces=*/false);
  std::erase_if(out, [](const MatchedSample& s) { return s.truth_index.empty(); });
  return with_plain_categories(std::move(out));
}

bool is_complete(const Samples& samples, size_t count) {
  if (count == 0) return true;
  std::set<size_t> seen;
  for (const auto& s : samples) {
    if (s.truth_index.size() != 1 || !seen.insert(s.truth_index[0]).second) return false;
    if (!s.prediction_category.empty() && s.prediction_category != U"equation_inline" && s.prediction_category != U"equation_isolated") return false;
  }
  return seen.size() == count && samples.size() == count;
}

struct Candidate {
  Samples samples;
  double key[6];
};

// Keeps the first of the cheapest.
class Choice {
 public:
  void offer(Samples samples, const Pieces& items, size_t num_whole, size_t num_logic) {
    double edits = 0, length = 0, total = 0, unmatched = 0;
    std::set<View> used;
    for (const auto& s : samples) {
      total += s.edit;
      if (s.prediction_index.empty()) {
        unmatched += 1;
        continue;
      }
      length += double(std::max(s.normal_truth.size(), s.normal_prediction.size()));
      edits += double(edit_distance(s.normal_truth, s.normal_prediction));
      for (size_t j : s.prediction_index)
        if (j < items.size()) used.insert(items[j].source);
    }
    Candidate candidate{{}, {total, samples.empty() ? kInfinity : length > 0 ? edits / length : 0, double(num_whole > used.size() ? num_whole - used.size() : 0),
                             samples.empty() ? kInfinity : total / double(samples.size()), -double(num_logic), unmatched}};
    candidate.samples = std::move(samples);
    if (!best_ || is_better(candidate, *best_)) best_ = std::move(candidate);
  }
  Samples take() { return best_ ? std::move(best_->samples) : Samples(); }

 private:
  static bool is_better(const Candidate& a, const Candidate& b) {
    for (int k = 0; k < 6; ++k) {
      if (a.key[k] + kTie < b.key[k]) return true;
      if (a.key[k] > b.key[k] + kTie) return false;
    }
    return false;
  }
  std::optional<Candidate> best_;
};

OmniDocPiece segment_of(const Pieces& rows, size_t begin, size_t end) {
  OmniDocPiece out = rows[begin];
  if (end - begin == 1) return out;
  std::vector<Text> contents;
  for (size_t k = begin; k < end; ++k) contents.push_back(rows[k].content);
  const Text merged(strip(merged_content(contents)));
  const auto marked = [&](View left, View right) { return starts_with(merged, left) && ends_with(merged, right); };
  out.content = merged.empty() || marked(U"$$", U"$$") || marked(U"\\[", U"\\]") || marked(U"\\(", U"\\)") ? merged : U"\\[" + merged + U"\\]";
  out.end = rows[end - 1].end;
  out.fine_category = U"equation_isolated";
  return out;
}

// _build_formula_partitioned_pred_candidates: every way to join neighbouring rows again; none if there are too many ways.
std::vector<Pieces> partitions(Pieces pieces) {
  mark_sources(pieces);
  std::stable_sort(pieces.begin(), pieces.end(), [](const OmniDocPiece& a, const OmniDocPiece& b) {
    const auto key = [](const OmniDocPiece& p) { return std::array<int64_t, 3>{p.begin, category_of(p) == U"equation_inline", p.end}; };
    return key(a) < key(b);
  });
  std::vector<std::vector<Pieces>> options;
  size_t total = 1;
  bool any = false;
  for (const auto& piece : pieces) {
    const Pieces rows = split_rows(Pieces{piece});
    if (rows.size() <= 1 || rows.size() > 8) {
      options.push_back({{piece}});
      continue;
    }
    any = true;
    std::vector<Pieces> ways;
    for (size_t cuts = 0; cuts < size_t(1) << (rows.size() - 1); ++cuts) {
      Pieces way;
      size_t begin = 0;
      for (size_t k = 0; k + 1 < rows.size(); ++k)
        if (cuts >> k & 1) way.push_back(segment_of(rows, begin, k + 1)), begin = k + 1;
      way.push_back(segment_of(rows, begin, rows.size()));
      ways.push_back(std::move(way));
    }
    total *= ways.size();
    if (total > 128) return {};
    options.push_back(std::move(ways));
  }
  if (!any) return {};
  std::vector<Pieces> out = {{}};
  for (const auto& ways : options) {
    std::vector<Pieces> longer;
    for (const auto& so_far : out)
      for (const auto& way : ways) {
        longer.push_back(so_far);
        longer.back().insert(longer.back().end(), way.begin(), way.end());
      }
    out = std::move(longer);
  }
  return out;
}

void offer_rows(Choice& choice, const std::vector<TruthBlock>& truth, const Pieces& pieces, const std::string& page, size_t num_logic) {
  for (auto& candidate : partitions(pieces)) {
    const Prepared in = prepare(truth, std::move(candidate), /*in_rows=*/false);
    if (Samples samples = by_assignment(in, page); !samples.empty()) choice.offer(with_plain_categories(std::move(samples)), in.items, pieces.size(), num_logic);
  }
  const Prepared in = prepare(truth, pieces, /*in_rows=*/true);
  if (!in.was_split()) return;
  for (bool gaps : {false, true})
    if (auto samples = in_order(in, page, gaps)) choice.offer(with_plain_categories(std::move(*samples)), in.items, in.num_whole, num_logic);
}

void offer_whole(Choice& choice, const Prepared& in, const std::vector<TruthBlock>& truth, const Pieces& pieces, const std::string& page, size_t num_logic) {
  const auto offer = [&](Samples samples) {
    if (is_complete(samples, in.truth_raw.size())) choice.offer(with_plain_categories(std::move(samples)), in.items, in.num_whole, num_logic);
  };
  offer(by_quick_match(truth, pieces, page));
  offer(by_assignment(in, page));
  for (bool gaps : {false, true})
    if (auto samples = in_order(in, page, gaps)) offer(std::move(*samples));
}

}  // namespace

std::vector<OmniDocPiece> formula_pool(const std::vector<OmniDocPiece>& pieces) {
  Pieces out;
  std::set<Text> seen;
  for (View category : {U"equation_isolated", U"formula_rescue"}) {
    for (const auto& piece : pieces) {
      if (piece.category != category) continue;
      Pieces one = {piece};
      if (category == U"formula_rescue") {
        one[0].category = U"equation_isolated";
        if (one[0].fine_category.empty()) one[0].fine_category = U"formula_rescue";
      }
      mark_sources(one);
      if (seen.insert(one[0].source).second) out.push_back(std::move(one[0]));
    }
  }
  return out;
}

std::vector<MatchedSample> match_formulas(const std::vector<TruthBlock>& truth, const std::vector<OmniDocPiece>& candidates, const std::vector<MatchedSample>& current,
                                          const std::string& page) {
  if (truth.empty()) return {};
  const Prepared in = prepare(truth, candidates, /*in_rows=*/false);
  Choice choice;
  Samples now = with_plain_categories(current);
  if (is_complete(now, in.truth_raw.size())) choice.offer(std::move(now), in.items, in.num_whole, 0);
  offer_whole(choice, in, truth, candidates, page, 0);
  offer_rows(choice, truth, candidates, page, 0);
  Pieces logic = candidates;
  mark_sources(logic);
  size_t num_logic = 0;
  for (auto& piece : logic) {
    Text content = with_logic_braces(piece.content);
    num_logic += content != piece.content;
    piece.content = std::move(content);
  }
  if (num_logic > 0) {
    offer_whole(choice, prepare(truth, logic, /*in_rows=*/false), truth, logic, page, num_logic);
    offer_rows(choice, truth, logic, page, num_logic);
  }
  return choice.take();
}

}  // namespace fovea::metrics::v16
