#include <pybind11/stl.h>

#include <tuple>

#include "bindings.h"
#include "edit_name.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/score_verb.h"
#include "fovea/metrics/assignment.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/fox.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/omnidocbench.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/table.h"
#include "fovea/metrics/text_score.h"
#include "fovea/metrics/words.h"

namespace fovea::python {

using namespace metrics;

namespace {

std::u32string points(const std::string& text) { return code_points_of(text); }

Tokens tokens(const std::vector<std::string>& words) {
  Tokens out;
  for (const auto& word : words) out.push_back(points(word));
  return out;
}

std::vector<std::string> utf8(const Tokens& words) {
  std::vector<std::string> out;
  for (const auto& word : words) out.push_back(to_utf8(word));
  return out;
}

Tokens units(const std::string& text, const std::string& unit) {
  if (unit == "characters") return characters(points(text));
  if (unit == "graphemes") return graphemes(points(text));
  if (unit == "words") return split_words(points(text));
  throw ConfigError("[metrics] unit must be characters, graphemes or words, got '" + unit + "'");
}

py::dict of_rouge(const Rouge& r) {
  py::dict out;
  out["precision"] = r.precision;
  out["recall"] = r.recall;
  out["f"] = r.f;
  return out;
}

template <class C> void bind_scorer(py::module_& m, const char* name, Json (*score)(const C&), const char* help) {
  bind_config<C>(m);
  m.def(
      name,
      [score](const C& config) {
        Json result;
        {
          py::gil_scoped_release release;
          result = score(config);
        }
        return to_python(result);
      },
      py::arg("config"), help);
}

}  // namespace

void bind_metrics(py::module_& m) {
  const py::arg reference("reference"), hypothesis("hypothesis");
  m.def(
      "edit_distance",
      [](const std::string& a, const std::string& b, const std::string& unit) {
        if (unit == "characters") return edit_distance(points(a), points(b));
        const NumberedUnits n = number_units(units(a, unit), units(b, unit));
        return edit_distance(n.reference, n.hypothesis);
      },
      reference, hypothesis, py::arg("unit") = "characters", py::call_guard<py::gil_scoped_release>(),
      "Levenshtein distance over characters (code points), graphemes or words.");
  m.def(
      "edit_script",
      [](const std::string& a, const std::string& b, const std::string& unit) {
        std::vector<EditRun> script;
        {
          py::gil_scoped_release release;
          const NumberedUnits n = number_units(units(a, unit), units(b, unit));
          edit_script(n.reference, n.hypothesis, script);
        }
        py::list out;
        for (const auto& run : script) out.append(py::make_tuple(edit_name(run.kind), run.ref_begin, run.hyp_begin, run.length));
        return out;
      },
      reference, hypothesis, py::arg("unit") = "characters", "Runs (kind, ref_begin, hyp_begin, length) of one optimal script; kinds match, substitute, insert, delete.");
  m.def(
      "character_error_rate", [](const std::string& a, const std::string& b, bool by_grapheme) { return character_error_rate(points(a), points(b), by_grapheme); }, reference,
      hypothesis, py::arg("by_grapheme") = false, "Edits over the reference's length; None for an empty reference with a text read.");
  m.def("word_error_rate", [](const std::string& a, const std::string& b) { return word_error_rate(points(a), points(b)); }, reference, hypothesis);
  m.def(
      "set_overlap",
      [](const std::vector<std::string>& a, const std::vector<std::string>& b) {
        const SetOverlap o = set_overlap(tokens(a), tokens(b));
        return std::make_tuple(o.precision, o.recall, o.f);
      },
      reference, hypothesis, "(precision, recall, f) of the sets of tokens; None where undefined.");
  m.def("bleu", [](const std::vector<std::string>& a, const std::vector<std::string>& b) { return bleu(tokens(a), tokens(b)); }, reference, hypothesis,
        "Sentence BLEU-4 without smoothing, as NLTK 3.8.");
  m.def(
      "meteor",
      [](const std::vector<std::string>& a, const std::vector<std::string>& b, const std::string& wordnet) {
        return meteor(tokens(a), tokens(b), wordnet == "none" ? nullptr : WordNet::shared(WordNet::find(wordnet)).get());
      },
      reference, hypothesis, py::arg("wordnet") = "", "METEOR as NLTK 3.8; wordnet: folder of WordNet 3.0, empty for the installed one, 'none' for stems only.");
  m.def("rouge_l", [](const std::vector<std::string>& a, const std::vector<std::string>& b) { return of_rouge(rouge_l(tokens(a), tokens(b))); }, reference, hypothesis);
  m.def("chrf", [](const std::string& a, const std::string& b, int max_order, double beta) { return chrf(points(a), points(b), max_order, beta); }, reference, hypothesis,
        py::arg("max_order") = 6, py::arg("beta") = 2.0);
  m.def(
      "jieba_cut", [](const std::string& text, const std::string& folder) { return utf8(Jieba::shared(Jieba::find(folder))->cut(points(text))); }, py::arg("text"),
      py::arg("folder") = "", "jieba.lcut(text), exact.");
  m.def("graphemes", [](const std::string& text) { return utf8(graphemes(points(text))); }, py::arg("text"));
  m.def(
      "teds",
      [](const std::string& a, const std::string& b) {
        const Teds t = teds(normalized_html_table(points(b)), normalized_html_table(points(a)));
        return std::make_tuple(t.content, t.structure);
      },
      reference, hypothesis, py::call_guard<py::gil_scoped_release>(), "(TEDS, TEDS of structure only) of two HTML tables, normalised as OmniDocBench does.");
  bind_scorer<FoxConfig>(m, "score_fox", score_fox, "Fox's results file as its scripts score it, both role readings.");
  bind_scorer<OmniDocBenchConfig>(m, "score_omnidocbench", score_omnidocbench, "OmniDocBench predictions in the official result's structure.");
  bind_scorer<TextScoreConfig>(m, "score_texts", score_texts, "Two files or folders by every text metric.");
  m.def(
      "assign",
      [](const std::vector<std::vector<double>>& rows) {
        Costs costs(rows.size(), rows.empty() ? 0 : rows[0].size());
        for (size_t i = 0; i < rows.size(); ++i) {
          if (rows[i].size() != costs.columns) throw ConfigError("[assign] row " + std::to_string(i) + " must have " + std::to_string(costs.columns) + " costs, has " + std::to_string(rows[i].size()));
          for (size_t j = 0; j < costs.columns; ++j) costs.at(i, j) = rows[i][j];
        }
        return rows.empty() || costs.columns == 0 ? std::vector<std::pair<size_t, size_t>>() : assign(costs);
      },
      py::arg("costs"), "Pairs (row, column) of the cheapest assignment, ties as scipy.optimize.linear_sum_assignment.");
  m.def(
      "omnidoc_quirks",
      [] {
        py::list out;
        for (const auto& quirk : omnidoc_quirks()) out.append(py::make_tuple(quirk.name, quirk.versions, quirk.what));
        return out;
      },
      "(name, versions, what it does) of the official program's faults that can be switched.");
  m.def("text_metric_names", [] { return to_python(text_metric_names()); });
  m.def("describe_score", [](const py::dict& result) { return experiments::describe_score(to_json(result)); }, py::arg("result"));
}

}  // namespace fovea::python
