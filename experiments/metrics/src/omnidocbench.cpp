#include "fovea/metrics/omnidocbench.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/json_file.h"
#include "fovea/metrics/latex_text.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/table.h"
#include "latex_table.h"
#include "omnidoc16.h"
#include "omnidoc_match.h"
#include "omnidoc_report.h"
#include "treebank_words.h"

namespace fovea::metrics {
namespace {

namespace fs = std::filesystem;
using Text = std::u32string;

struct Page {
  size_t number = 0;  // in the annotation
  std::string image, prediction_path;
  Json attributes;
  std::vector<TruthBlock> pool, tables;  // by order
  Text prediction;
};

// The elements of a JSON list, cut at its commas; empty if the text is no list. What is inside is not checked.
std::vector<std::string_view> list_elements(std::string_view text) {
  std::vector<std::string_view> out;
  size_t at = text.find_first_not_of(" \t\r\n");
  if (at == text.npos || text[at] != '[') return {};
  int depth = 0;
  size_t begin = ++at;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      while (++at < text.size() && text[at] != '"')
        if (text[at] == '\\') ++at;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      --depth;
    } else if (depth == 0 && (c == ',' || c == ']')) {
      out.push_back(text.substr(begin, at - begin));
      begin = at + 1;
      if (c == ']') return text.find_first_not_of(" \t\r\n", at + 1) == text.npos ? out : std::vector<std::string_view>();
    }
  }
  return {};
}

// The text of a page without the lists under the keys that are never scored (lines within blocks, outlines). Keys inside strings are left alone.
std::string without_unscored(std::string_view text) {
  static constexpr std::string_view kKeys[] = {"line_with_spans", "poly", "merge_list"};
  const auto string_end = [&](size_t at) {  // behind the closing quote
    while (++at < text.size() && text[at] != '"')
      if (text[at] == '\\') ++at;
    return std::min(at + 1, text.size());
  };
  std::string out;
  out.reserve(text.size());
  size_t kept = 0;
  for (size_t at = text.find('"'); at < text.size(); at = text.find('"', at)) {
    const size_t end = string_end(at);
    const std::string_view word = text.substr(at + 1, end - at - 2);
    size_t next = end;
    while (next < text.size() && (text[next] == ' ' || text[next] == '\n' || text[next] == '\t' || text[next] == '\r')) ++next;
    size_t value = next + 1;
    while (value < text.size() && (text[value] == ' ' || text[value] == '\n' || text[value] == '\t' || text[value] == '\r')) ++value;
    if (next < text.size() && text[next] == ':' && value < text.size() && text[value] == '[' && std::find(std::begin(kKeys), std::end(kKeys), word) != std::end(kKeys)) {
      size_t close = value;
      for (int depth = 0; close < text.size();) {
        if (text[close] == '"') {
          close = string_end(close);
          continue;
        }
        depth += text[close] == '[' ? 1 : text[close] == ']' ? -1 : 0;
        ++close;
        if (depth == 0) break;
      }
      out.append(text.substr(kept, value - kept));
      out += "[]";
      kept = close;
      at = close;
    } else {
      at = end;
    }
  }
  return out.append(text.substr(kept));
}

// The pages, read on several threads.
std::vector<Json> read_annotation(const std::string& path, int threads) {
  const std::string text = read_file(path);
  const auto elements = list_elements(text);
  std::vector<Json> out(elements.size());
  try {
    parallel_for(elements.size(), threads, [&](size_t i) { out[i] = Json::parse(without_unscored(elements[i])); });
    if (!out.empty()) return out;
  } catch (const Json::exception&) {
  }
  const Json whole = read_json(path, text);  // says where it is wrong
  if (!whole.is_array() || whole.empty()) throw ConfigError("[" + path + "] must be a list of pages");
  return {whole.begin(), whole.end()};
}

struct PageScores {
  std::vector<MatchedSample> text, formulas, html_tables, latex_tables;
  std::optional<OrderSample> order;
};

const char* const kTextPool[] = {"text_block", "title", "code_txt", "code_txt_caption", "reference", "equation_caption", "figure_caption", "figure_footnote",
                                 "table_caption", "table_footnote", "code_algorithm", "code_algorithm_caption", "header", "footer", "page_footnote", "page_number",
                                 "equation_isolated"};

double order_of(const Json& order) { return order.is_number() ? order.get<double>() : 0; }

TruthBlock block_of(const Json& item, const std::string& where) {
  TruthBlock out;
  out.category = code_points_of(text_member(item, "category_type", where));
  const auto text = [&](const char* key) { return item.contains(key) && item[key].is_string() ? code_points_of(item[key].get<std::string>()) : Text(); };
  out.text = text("text");
  out.latex = text("latex");
  out.html = text("html");
  if (const auto order = item.find("order"); order != item.end()) out.order = *order;
  const auto attribute = item.find("attribute");
  out.attribute = attribute != item.end() && attribute->is_object() ? *attribute : Json::object();
  return out;
}

// Blocks by category; those that a `truncated` link joins as one, of the first's category and order, without attributes.
// The links are walked once, as upstream: a link that meets a group joins it, two groups never merge. From 1.6 they do, and what is to be ignored is left out.
std::map<Text, std::vector<TruthBlock>> blocks_of(const Json& page, const std::string& where, OmniDocVersion version) {
  const bool is_16 = version == OmniDocVersion::k1_6;
  const auto ignored = [&](const Json& item) { return is_16 && item.value("ignore", false); };
  std::vector<std::vector<Json>> groups;
  std::map<std::string, Json> linked;  // anno_id -> item
  if (page.contains("extra") && page["extra"].is_object() && page["extra"].contains("relation")) {
    for (const Json& relation : page["extra"]["relation"]) {
      const std::string what = where + " extra.relation";
      if (member(relation, "relation_type", what) != "truncated") continue;
      const Json &from = member(relation, "source_anno_id", what), &to = member(relation, "target_anno_id", what);
      linked[from.dump()];
      linked[to.dump()];
      bool joined = false;
      if (is_16) {
        std::vector<Json> merged = {from, to};
        std::erase_if(groups, [&](const std::vector<Json>& group) {
          const bool meets = std::any_of(group.begin(), group.end(), [&](const Json& id) { return id == from || id == to; });
          if (meets) merged.insert(merged.end(), group.begin(), group.end());
          return meets;
        });
        groups.push_back(std::move(merged));
        continue;
      }
      for (auto& group : groups) {
        if (std::find(group.begin(), group.end(), from) == group.end() && std::find(group.begin(), group.end(), to) == group.end()) continue;
        group.push_back(from);
        group.push_back(to);
        joined = true;
      }
      if (!joined) groups.push_back({from, to});
    }
  }
  std::map<Text, std::vector<TruthBlock>> out;
  const Json& items = member(page, "layout_dets", where);
  if (!items.is_array()) throw ConfigError("[" + where + "] 'layout_dets' must be a list");
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string what = where + " layout_dets[" + std::to_string(i) + "]";
    const std::string id = items[i].is_object() && items[i].contains("anno_id") ? items[i]["anno_id"].dump() : "";
    if (const auto found = linked.find(id); found != linked.end()) {
      found->second = items[i];
      continue;
    }
    if (items[i].is_object() && ignored(items[i])) continue;
    TruthBlock block = block_of(items[i], what);
    out[block.category].push_back(std::move(block));
  }
  for (const auto& group : groups) {
    std::vector<Json> members;
    std::set<std::string> seen;
    for (const Json& id : group)
      if (is_16 && !seen.insert(id.dump()).second) continue;
      else if (const Json& item = linked.at(id.dump()); item.is_object()) members.push_back(item);
      else if (is_16) continue;
      else throw ConfigError("[" + where + "] a 'truncated' link names anno_id " + id.dump() + ", which is not among layout_dets");
    if (members.empty() || std::any_of(members.begin(), members.end(), ignored)) continue;
    std::stable_sort(members.begin(), members.end(), [](const Json& a, const Json& b) { return order_of(a.value("order", Json())) < order_of(b.value("order", Json())); });
    TruthBlock merged = block_of(members[0], where);
    merged.text.clear();
    merged.latex.clear();
    merged.html.clear();
    merged.attribute = Json::object();
    for (const Json& one : members) merged.text += block_of(one, where).text;
    out[merged.category].push_back(std::move(merged));
  }
  return out;
}

void sort_by_order(std::vector<TruthBlock>& blocks) {
  std::stable_sort(blocks.begin(), blocks.end(), [](const TruthBlock& a, const TruthBlock& b) { return order_of(a.order) < order_of(b.order); });
}

// Names that are tried for an image's prediction, in this order.
std::vector<std::string> names_of(const std::string& image) {
  const std::string stem = image.size() > 4 ? image.substr(0, image.size() - 4) : image;
  std::string bare = stem;
  for (size_t at; (at = bare.find(".pdf")) != std::string::npos;) bare.erase(at, 4);
  return {stem + ".md", bare + ".mmd", bare + ".md", image + ".md"};
}

std::optional<OrderSample> order_of_page(const std::vector<MatchedSample>& samples, const std::string& image) {
  OrderSample out;
  out.page = image;
  std::vector<std::pair<int64_t, std::vector<double>>> found;
  const auto numbers = [](const MatchedSample& s) {
    std::vector<double> list;
    for (const Json& position : s.truth_position)
      if (position.is_number() && position.get<double>() != 0) list.push_back(position.get<double>());
    return list;
  };
  for (const auto& s : samples) {
    if (s.truth_index.empty()) continue;
    for (double v : numbers(s)) out.truth.push_back(v);
    if (s.prediction_position) found.push_back({*s.prediction_position, numbers(s)});
  }
  std::sort(out.truth.begin(), out.truth.end());
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [position, list] : found) out.prediction.insert(out.prediction.end(), list.begin(), list.end());
  if (out.truth.empty() && out.prediction.empty()) return std::nullopt;
  return out;
}

// Pieces category by category, in the order in which a category first comes: so upstream gathers them.
std::vector<OmniDocPiece> by_category(const std::vector<OmniDocPiece>& all) {
  std::vector<Text> categories;
  for (const auto& piece : all)
    if (std::find(categories.begin(), categories.end(), piece.category) == categories.end()) categories.push_back(piece.category);
  std::vector<OmniDocPiece> out;
  for (const auto& category : categories)
    for (const auto& piece : all)
      if (piece.category == category && (category == U"text_all" || category == U"equation_isolated")) out.push_back(piece);
  return out;
}

// The switches of one run.
struct Quirks {
  std::set<std::string> kept;
  bool has(const char* name) const { return kept.count(name) > 0; }
  MatchQuirks of_match() const {
    return {has("missing_text_counts_twice_where_no_prediction_is_left"), has("extra_text_costs_nothing"), has("piece_0_of_tables_has_no_position")};
  }
};

Quirks quirks_of(const OmniDocBenchConfig& config) {
  Quirks out;
  std::vector<std::string> names = {"official", "none"};
  for (const auto& quirk : omnidoc_quirks()) names.push_back(quirk.name);
  for (const auto& wanted : config.quirks) {
    if (wanted == "none") continue;
    bool known = wanted == "official";
    for (const auto& quirk : omnidoc_quirks()) {
      const bool of_version = std::find(quirk.versions.begin(), quirk.versions.end(), config.version) != quirk.versions.end();
      if (wanted == quirk.name && !of_version)
        throw ConfigError("[score omnidocbench] quirk '" + wanted + "' is not of version " + config.version + ", but of " + quirk.versions.front() +
                          (quirk.versions.size() > 1 ? " and others" : ""));
      known = known || wanted == quirk.name;
      if (of_version && (wanted == "official" || wanted == quirk.name)) out.kept.insert(quirk.name);
    }
    if (known) continue;
    const std::string near = nearest_word(wanted, names);
    std::string list;
    for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
    throw ConfigError("[score omnidocbench] there is no quirk '" + wanted + "'" + (near.empty() ? "; there are " + list : ", did you mean '" + near + "'?"));
  }
  return out;
}

// Text that no block took, where it is to cost something.
bool counts_as_extra(const MatchedSample& sample, const Quirks& quirks) {
  return !quirks.has("extra_text_costs_nothing") && sample.prediction_category != U"equation_isolated" && sample.prediction_category != U"equation_inline";
}

PageScores score_page_16(const Page& page, bool quick, const Quirks& quirks) {
  PageScores out;
  const auto all = split_markdown(page.prediction, OmniDocVersion::k1_6);
  std::vector<OmniDocPiece> tables;
  for (const auto& piece : all)
    if (piece.category == U"html_table") tables.push_back(piece);
  if (!page.tables.empty()) out.html_tables = match_simple(page.tables, tables, LineKind::kHtmlTable16, page.image, nullptr, quirks.of_match());
  const auto pieces = by_category(all);
  auto matched = quick ? match_quick(page.pool, pieces, LineKind::kMixed16, page.image, /*rows_of_pieces=*/true, quirks.of_match())
                       : match_simple(page.pool, pieces, LineKind::kMixed16, page.image);
  v16::adapt_across_categories(matched);
  v16::rematch_text_locally(matched, pieces);
  std::vector<MatchedSample> formulas;
  for (auto& sample : matched) {
    if (sample.truth_index.empty()) {
      if (counts_as_extra(sample, quirks)) out.text.push_back(std::move(sample));
      continue;
    }
    if (sample.truth_category == U"equation_isolated") formulas.push_back(std::move(sample));
    else if (!is_ignored_category(sample.truth_category)) out.text.push_back(std::move(sample));
  }
  std::vector<TruthBlock> formula_blocks;
  for (const auto& block : page.pool)
    if (block.category == U"equation_isolated") formula_blocks.push_back(block);
  out.formulas = v16::match_formulas(formula_blocks, v16::formula_pool(all), formulas, page.image);
  std::vector<MatchedSample> ordered = out.text;
  ordered.insert(ordered.end(), out.formulas.begin(), out.formulas.end());
  ordered.insert(ordered.end(), out.html_tables.begin(), out.html_tables.end());
  if (!ordered.empty()) out.order = order_of_page(ordered, page.image);
  return out;
}

PageScores score_page(const Page& page, OmniDocVersion version, bool quick, const Quirks& quirks) {
  if (version == OmniDocVersion::k1_6) return score_page_16(page, quick, quirks);
  PageScores out;
  std::vector<OmniDocPiece> text, formulas, html, latex, mixed;
  const auto all = split_markdown(page.prediction, version);
  for (const auto& piece : all) {
    if (piece.category == U"html_table") html.push_back(piece);
    else if (piece.category == U"latex_table") latex.push_back(piece);
    else if (piece.category == U"equation_isolated") formulas.push_back(piece);
    else text.push_back(piece);
  }
  std::vector<OmniDocPiece> rest;
  if (!page.tables.empty()) {
    std::vector<size_t> unmatched;
    const bool by_latex = latex.size() > html.size();
    auto& into = by_latex ? out.latex_tables : out.html_tables;
    into = match_simple(page.tables, by_latex ? latex : html, by_latex ? LineKind::kLatexTable : LineKind::kHtmlTable, page.image, &unmatched, quirks.of_match());
    for (size_t j : unmatched) {
      for (auto& cell : cell_texts((by_latex ? latex : html)[j].content)) {
        OmniDocPiece piece = (by_latex ? latex : html)[j];
        piece.category = U"text_all";
        piece.content = std::move(cell);
        rest.push_back(std::move(piece));
      }
    }
  }
  std::vector<MatchedSample> matched;
  if (version == OmniDocVersion::k1_5) {
    mixed = by_category(all);
    mixed.insert(mixed.end(), rest.begin(), rest.end());
    matched = quick ? match_quick(page.pool, mixed, LineKind::kMixed, page.image, true, quirks.of_match()) : match_simple(page.pool, mixed, LineKind::kMixed, page.image);
  } else {
    std::vector<TruthBlock> text_blocks, formula_blocks;
    for (const auto& block : page.pool) (block.category == U"equation_isolated" ? formula_blocks : text_blocks).push_back(block);
    if (!text_blocks.empty())
      matched = quick ? match_quick(text_blocks, text, LineKind::kText, page.image, true, quirks.of_match()) : match_simple(text_blocks, text, LineKind::kText, page.image);
    if (!formula_blocks.empty()) {
      auto found = quick ? match_quick(formula_blocks, formulas, LineKind::kFormula, page.image, true, quirks.of_match()) : match_simple(formula_blocks, formulas, LineKind::kFormula, page.image);
      matched.insert(matched.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
    }
  }
  for (auto& sample : matched) {
    if (sample.truth_category == U"equation_isolated") out.formulas.push_back(std::move(sample));
    else if (is_ignored_category(sample.truth_category)) continue;
    else if (!sample.truth_index.empty()) out.text.push_back(std::move(sample));
    else if (counts_as_extra(sample, quirks)) out.text.push_back(std::move(sample));
  }
  if (!out.text.empty()) out.order = order_of_page(out.text, page.image);
  return out;
}

void measure(MatchedSample& s) {
  const auto truth = compared_truth(s), prediction = compared_prediction(s);
  if (!truth.empty() || !prediction.empty()) s.edit_distance = normalized_edit_distance(truth, prediction);
}

Json sample_to_json(const MatchedSample& s) {
  const auto indices = [](const std::vector<size_t>& list) { return list.empty() ? Json::array({""}) : Json(list); };
  Json out = {{"gt_idx", indices(s.truth_index)},
              {"gt", to_utf8(s.truth)},
              {"pred_idx", indices(s.prediction_index)},
              {"pred", to_utf8(s.prediction)},
              {"gt_position", s.truth_position.empty() ? Json::array({""}) : Json(s.truth_position)},
              {"pred_position", s.prediction_position ? Json(*s.prediction_position) : Json("")},
              {"norm_gt", to_utf8(s.normal_truth)},
              {"norm_pred", to_utf8(s.normal_prediction)},
              {"gt_category_type", to_utf8(s.truth_category)},
              {"pred_category_type", to_utf8(s.prediction_category)},
              {"gt_attribute", s.truth_attribute},
              {"edit", s.edit},
              {"img_id", s.page},
              {"metric", Json::object()}};
  if (s.edit_distance) out["metric"]["Edit_dist"] = *s.edit_distance;
  if (s.teds) out["metric"]["TEDS"] = *s.teds, out["metric"]["TEDS_structure_only"] = *s.teds_structure;
  return out;
}

// Mean of the four page averages of a language group: version 1.0's headline. Null if an element has none.
Json overall_of_language(const Json& report, const std::string& language) {
  Json parts = Json::object();
  double sum = 0;
  bool whole = true;
  for (const char* element : {"text_block", "display_formula", "table", "reading_order"}) {
    const Json& page = report[element]["page"];
    const bool has = page.contains("Edit_dist") && page["Edit_dist"].contains("language: " + language);
    parts[element] = has ? page["Edit_dist"]["language: " + language] : Json(nullptr);
    if (has) sum += parts[element].get<double>();
    whole = whole && has;
  }
  parts["overall"] = whole ? Json(sum / 4) : Json(nullptr);
  return parts;
}

std::vector<std::string> attribute_names(const Json& attributes) {
  std::vector<std::string> out;
  for (const auto& item : attributes.items()) out.push_back(item.key());
  return out;
}

bool passes(const Json& attributes, const std::vector<std::string>& filter, const std::string& where) {
  for (const auto& text : filter) {
    const size_t colon = text.find(':');
    if (colon == std::string::npos) throw ConfigError("[score omnidocbench] filter must be name:value, got '" + text + "'");
    const std::string name = text.substr(0, colon);
    std::string value = text.substr(colon + 1);
    value.erase(0, value.find_first_not_of(' '));
    if (!attributes.contains(name)) {
      const std::string near = nearest_word(name, attribute_names(attributes));
      throw ConfigError("[score omnidocbench] filter '" + name + "' is no attribute of " + where + (near.empty() ? "" : ", did you mean '" + near + "'?"));
    }
    if (attributes[name].is_string() ? attributes[name].get<std::string>() != value : attributes[name].dump() != value) return false;
  }
  return true;
}

}  // namespace

const std::vector<OmniDocQuirk>& omnidoc_quirks() {
  static const std::vector<OmniDocQuirk> list = {
      {"missing_text_counts_twice_where_no_prediction_is_left", {"1.0"}, "blocks that nothing was read for weigh double on pages whose every piece found a block"},
      {"extra_text_costs_nothing", {"1.5", "1.6"}, "text that no block took leaves the score"},
      {"latex_tables_score_nothing", {"1.5"}, "the prediction of every table read as LaTeX is blanked"},
      {"piece_0_of_tables_has_no_position", {"1.0", "1.5", "1.6"}, "the first table read has no place in the reading order"},
      {"formula_read_as_text_leaves_the_formula_score", {"1.5"}, "a display formula whose partner is text is scored among the text"},
      {"bleu_and_meteor_take_the_truth_for_the_reading", {"1.0", "1.5", "1.6"}, "the roles of both are swapped"}};
  return list;
}

Json score_omnidocbench(const OmniDocBenchConfig& config) {
  validate_fields(config, "score omnidocbench");
  if (config.ground_truth.empty()) throw ConfigError("[score omnidocbench] ground_truth must name OmniDocBench.json");
  if (config.predictions.empty()) throw ConfigError("[score omnidocbench] predictions must name a folder of Markdown files");
  if (!fs::is_directory(config.predictions)) throw IoError("[score omnidocbench] predictions '" + config.predictions + "' is no folder");
  const OmniDocVersion version = config.version == "1.0" ? OmniDocVersion::k1_0 : config.version == "1.5" ? OmniDocVersion::k1_5 : OmniDocVersion::k1_6;
  // 1.6 scores a page without a prediction as empty
  const bool leaves_out = config.missing == "skip" || (config.missing == "official" && version != OmniDocVersion::k1_6);
  const Quirks quirks = quirks_of(config);
  const bool quick = config.match == "quick_match";
  const int threads = config.threads > 0 ? int(config.threads) : int(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<Json> annotation = read_annotation(config.ground_truth, threads);

  Json warnings = Json::array();
  std::vector<Page> pages;
  PageAttributes attributes;
  std::set<std::string> known_files;
  std::vector<std::string> missing;
  for (size_t i = 0; i < annotation.size(); ++i) {
    const std::string where = config.ground_truth + ": page " + std::to_string(i);
    const Json& info = member(annotation[i], "page_info", where);
    Page page;
    page.image = fs::path(text_member(info, "image_path", where + " page_info")).filename().string();
    page.attributes = info.contains("page_attribute") && info["page_attribute"].is_object() ? info["page_attribute"] : Json::object();
    for (const auto& name : names_of(page.image)) known_files.insert(name);
    if (!passes(page.attributes, config.filter, "page '" + page.image + "'")) continue;
    if (!attributes.emplace(page.image, page.attributes).second) {
      if (config.duplicates == "refuse") throw ConfigError("[" + where + "] image '" + page.image + "' a second time; remove one, or count both with duplicates=count");
      warnings.push_back("image '" + page.image + "' stands twice in the annotation");
    }
    std::vector<std::string> present;
    for (const auto& name : names_of(page.image))
      if (const std::string path = config.predictions + "/" + name; fs::exists(path) && std::find(present.begin(), present.end(), path) == present.end()) present.push_back(path);
    if (present.empty()) {
      missing.push_back(page.image);
      if (leaves_out) continue;
    } else {
      page.prediction_path = present[0];
      for (size_t k = 1; k < present.size(); ++k)
        warnings.push_back("page '" + page.image + "' has a second prediction, " + fs::path(present[k]).filename().string() + ", which is not read");
    }
    page.number = i;
    pages.push_back(std::move(page));
  }
  if (!missing.empty()) {
    std::string names;
    for (size_t k = 0; k < std::min<size_t>(3, missing.size()); ++k) names += (k ? ", " : "") + missing[k];
    const std::string what = std::to_string(missing.size()) + " of " + std::to_string(attributes.size()) + " pages have no prediction in " + config.predictions + ": " + names +
                             (missing.size() > 3 ? ", ..." : "");
    if (config.missing == "refuse") throw ConfigError("[score omnidocbench] " + what);
    if (missing.size() == attributes.size()) throw ConfigError("[score omnidocbench] " + what + "; are these predictions of other pages?");
    const std::string reason = config.missing == "official" ? ", as the official program does" : "";
    warnings.push_back(what + (leaves_out ? "; left out of every average" + reason : "; scored as empty"));
  }
  size_t strangers = 0;
  std::string stranger;
  for (const auto& file : fs::directory_iterator(config.predictions)) {
    const std::string name = file.path().filename().string(), ending = file.path().extension().string();
    if ((ending != ".md" && ending != ".mmd") || known_files.count(name)) continue;
    if (stranger.empty() || name < stranger) stranger = name;
    ++strangers;
  }
  if (strangers > 0) warnings.push_back(std::to_string(strangers) + " predictions are of no page of the annotation, e.g. " + stranger + "; not read");

  std::vector<PageScores> scores(pages.size());
  parallel_for(pages.size(), threads, [&](size_t i) {
    const std::string where = config.ground_truth + ": page " + std::to_string(pages[i].number);
    auto blocks = blocks_of(annotation[pages[i].number], where, version);
    for (const char* category : kTextPool)
      for (auto& block : blocks[code_points_of(category)]) pages[i].pool.push_back(std::move(block));
    sort_by_order(pages[i].pool);
    pages[i].tables = std::move(blocks[U"table"]);
    sort_by_order(pages[i].tables);
    annotation[pages[i].number] = nullptr;
    // read_md_file upstream opens in text mode: CR LF becomes LF
    if (!pages[i].prediction_path.empty()) {
      Text text = code_points_of(read_file(pages[i].prediction_path));
      for (size_t at; (at = text.find(U"\r\n")) != Text::npos;) text.erase(at, 1);
      std::replace(text.begin(), text.end(), U'\r', U'\n');
      pages[i].prediction = std::move(text);
    }
    scores[i] = score_page(pages[i], version, quick, quirks);
  });

  std::vector<MatchedSample> text, formulas, html_tables, latex_tables;
  std::vector<OrderSample> orders;
  const auto move_to = [](std::vector<MatchedSample>& from, std::vector<MatchedSample>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  for (auto& page : scores) {
    move_to(page.text, text);
    move_to(page.formulas, formulas);
    move_to(page.html_tables, html_tables);
    move_to(page.latex_tables, latex_tables);
    if (page.order) orders.push_back(std::move(*page.order));
  }
  bool by_latex = false;
  if (version == OmniDocVersion::k1_5) {
    // a formula that text stands for is scored as text
    std::vector<MatchedSample> kept, moved;
    for (auto& sample : formulas) {
      const auto& category = sample.prediction_category;
      if (category.empty() || category == U"equation_inline" || category == U"equation_isolated" || !quirks.has("formula_read_as_text_leaves_the_formula_score")) {
        kept.push_back(std::move(sample));
        continue;
      }
      sample.truth = latex_to_text(sample.truth).value_or(sample.truth);
      sample.normal_truth = clean_string(sample.truth);
      moved.push_back(std::move(sample));
    }
    formulas = std::move(kept);
    if (!text.empty()) move_to(moved, text);
    for (auto& sample : latex_tables) {
      if (!quirks.has("latex_tables_score_nothing")) {
        sample.prediction = normalized_latex_table(sample.prediction, version);
        continue;
      }
      sample.prediction.clear();
      sample.prediction_index.clear();
      sample.prediction_category.clear();
      sample.prediction_position.reset();
      sample.edit = 1;
    }
    move_to(latex_tables, html_tables);
  } else if (version == OmniDocVersion::k1_0) {
    // upstream reads all tables of all pages by the kind that the most of them have
    by_latex = latex_tables.size() > html_tables.size();
    if (by_latex) std::swap(latex_tables, html_tables);
  }
  parallel_for(html_tables.size(), threads, [&](size_t i) {
    MatchedSample& s = html_tables[i];
    s.normal_truth = normalized_html_table(s.truth, version);
    s.normal_prediction = by_latex ? normalized_latex_table(s.prediction, version) : normalized_html_table(s.prediction, version);
    const Teds value = teds(compared_prediction(s), compared_truth(s));
    s.teds = value.content;
    s.teds_structure = value.structure;
  });
  for (auto* list : {&text, &formulas, &html_tables}) parallel_for(list->size(), threads, [&](size_t i) { measure((*list)[i]); });

  std::set<std::string> table_pages;  // 1.6 counts those without a scored table as 0
  if (version == OmniDocVersion::k1_6)
    for (const auto& page : pages)
      if (!page.tables.empty()) table_pages.insert(page.image);
  Json report = {{"text_block", element_report(text, attributes, version, false)},
                 {"display_formula", element_report(formulas, attributes, version, false)},
                 {"table", element_report(html_tables, attributes, version, true, table_pages)},
                 {"reading_order", order_report(orders, attributes, version)}};
  if (config.word_metrics) {
    // Upstream gives the hub's metrics the truth as the prediction and the reading as the reference; the numbers it prints are these.
    const bool swapped = quirks.has("bleu_and_meteor_take_the_truth_for_the_reading");
    std::vector<std::vector<Text>> truth_tokens(text.size()), read_tokens(text.size());
    std::vector<double> meteors(text.size());
    parallel_for(text.size(), threads, [&](size_t i) {
      const auto &truth = compared_truth(text[i]), &read = compared_prediction(text[i]);
      truth_tokens[i] = tokens_13a(truth);
      read_tokens[i] = tokens_13a(read);
      meteors[i] = swapped ? meteor(treebank_words(read), treebank_words(truth), nullptr) : meteor(treebank_words(truth), treebank_words(read), nullptr);
    });
    if (!swapped) std::swap(truth_tokens, read_tokens);
    double sum = 0;
    for (double value : meteors) sum += value;
    report["text_block"]["all"]["BLEU"] = {{"all", text.empty() ? Json("NaN") : Json(corpus_bleu(read_tokens, truth_tokens))}};
    report["text_block"]["all"]["METEOR"] = {{"all", text.empty() ? Json("NaN") : Json(sum / double(text.size()))}};
  }
  Json by_page = Json::object();
  const auto add_pages = [&](const std::vector<MatchedSample>& samples, const std::string& name) {
    for (const auto& [page, value] : page_distances(samples)) by_page[page][name] = value;
  };
  add_pages(text, "text_block_edit");
  add_pages(formulas, "display_formula_edit");
  add_pages(html_tables, "table_edit");
  for (const auto& order : orders) by_page[order.page]["reading_order_edit"] = order.edits() / double(std::max(order.truth.size(), order.prediction.size()));
  Json by_table = Json::array();
  for (const auto& s : html_tables) by_table.push_back({{"img_id", s.page}, {"gt_idx", s.truth_index}, {"TEDS", *s.teds}, {"TEDS_structure_only", *s.teds_structure}});

  Json overall;
  if (version == OmniDocVersion::k1_0) {
    overall = {{"EN", overall_of_language(report, "english")}, {"CH", overall_of_language(report, "simplified_chinese")}};
  } else {
    const auto of = [&](const char* element, const char* metric) -> Json {
      const Json& page = report[element]["page"];
      return page.contains(metric) ? page[metric]["ALL"] : Json(nullptr);
    };
    overall = {{"text_block_Edit_dist", of("text_block", "Edit_dist")}, {"table_TEDS", of("table", "TEDS")}, {"table_TEDS_structure_only", of("table", "TEDS_structure_only")},
               {"reading_order_Edit_dist", of("reading_order", "Edit_dist")}, {"display_formula_CDM", nullptr}, {"overall", nullptr},
               {"why_null", "CDM renders formulas with TeX and was not asked for (--cdm); overall = ((1 - text) * 100 + CDM * 100 + TEDS * 100) / 3"}};
  }
  report["schema"] = "fovea.score.omnidocbench";
  report["schema_version"] = 1;
  report["version"] = config.version;
  report["match"] = config.match;
  report["ground_truth"] = config.ground_truth;
  report["predictions"] = config.predictions;
  report["num_pages"] = attributes.size();
  report["num_scored"] = pages.size();
  report["missing"] = missing;
  report["overall"] = overall;
  report["quirks"] = quirks.kept;
  report["warnings"] = warnings;
  report["per_page"] = by_page;
  report["per_table"] = by_table;
  if (config.save_matches) {
    Json matches = Json::object();
    const auto list = [](const std::vector<MatchedSample>& samples) {
      Json out = Json::array();
      for (const auto& s : samples) out.push_back(sample_to_json(s));
      return out;
    };
    matches["text_block"] = list(text);
    matches["display_formula"] = list(formulas);
    matches["table"] = list(html_tables);
    matches["reading_order"] = Json::array();
    for (const auto& order : orders) matches["reading_order"].push_back({{"gt", order.truth}, {"pred", order.prediction}, {"img_id", order.page}});
    report["matches"] = matches;
  }
  if (!config.out.empty()) write_file_atomic(config.out, report.dump(1) + "\n");
  return report;
}

}  // namespace fovea::metrics
