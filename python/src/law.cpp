#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/score.h"
#include "fovea/law/law.h"
#include "fovea/law/letters.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/reading.h"

namespace fovea::python {

using namespace law;

void bind_law(py::module_& m) {
  bind_config<LawConfig>(m);
  m.def(
      "law_of_curve",
      [](const std::vector<double>& ratio_asked, const std::vector<double>& ratio, const std::vector<double>& score, const std::vector<int64_t>& cluster, const LawConfig& config) {
        if (ratio.size() != ratio_asked.size() || score.size() != ratio.size() || cluster.size() != ratio.size())
          throw ShapeError("[law_of_curve] ratio_asked, ratio, score and cluster must be one a page");
        Json out;
        {
          py::gil_scoped_release release;
          std::vector<law::Page> pages;
          for (size_t i = 0; i < ratio.size(); ++i) pages.push_back({{ratio[i], score[i], cluster[i]}, ratio_asked[i]});
          out = law_of_curve(pages, config);
        }
        return to_python(out);
      },
      py::arg("ratio_asked"), py::arg("ratio"), py::arg("score"), py::arg("cluster"), py::arg("config"),
      "Both laws fitted to pages, with intervals and held-out ratios foretold.");
  m.def(
      "expected_score",
      [](const std::string& name, double top, double scale, double shape, double ratio) {
        for (Law law : kLaws)
          if (name == law_name(law)) return expected_score(law, {top, scale, shape}, ratio);
        throw ConfigError("[expected_score] law must be logistic or capacity, got '" + name + "'");
      },
      py::arg("law"), py::arg("top"), py::arg("scale"), py::arg("shape"), py::arg("ratio"));
  m.def(
      "letter_information",
      [](const std::vector<std::pair<std::string, std::string>>& pages, const std::string& alphabet) {
        LetterInformation i;
        {
          py::gil_scoped_release release;
          std::vector<std::pair<std::u32string, std::u32string>> points;
          for (const auto& [reference, reading] : pages) {
            points.emplace_back(metrics::one_space(metrics::code_points_of(reference)), metrics::one_space(metrics::code_points_of(reading)));
          }
          i = letter_information(points, metrics::code_points_of(alphabet));
        }
        return to_python({{"num_letters", i.num_letters}, {"num_wrong", i.num_wrong}, {"num_lost", i.num_lost}, {"num_added", i.num_added}, {"source_bits", i.source_bits},
                          {"fano_bits", i.fano_bits}, {"confusion_bits", i.confusion_bits}, {"alignment_bits", i.alignment_bits}, {"total_bits", i.total_bits}});
      },
      py::arg("pages"), py::arg("alphabet"), "Bits that readings hold for certain of pages of random characters; pages are (reference, reading).");
  m.def(
      "paired_bootstrap",
      [](const std::vector<double>& first, const std::vector<double>& second, const std::vector<int64_t>& clusters, int num_resamples, uint64_t seed) {
        PairedDifference d;
        {
          py::gil_scoped_release release;
          d = paired_bootstrap(first, second, clusters, num_resamples, seed);
        }
        return to_python({{"num_pairs", d.num_pairs}, {"num_clusters", d.num_clusters}, {"mean", d.mean}, {"low", d.interval.low}, {"high", d.interval.high},
                          {"share_above", d.share_above}, {"p", d.p}});
      },
      py::arg("first"), py::arg("second"), py::arg("clusters") = std::vector<int64_t>{}, py::arg("num_resamples") = 10000, py::arg("seed") = 0,
      "Mean difference of two runs on the same pages, its 95 % interval, the share of resamples above 0 and a two-sided p.");
  m.def(
      "bootstrap_mean",
      [](const std::vector<double>& values, uint64_t seed, int num_resamples) {
        if (values.empty()) throw ShapeError("[bootstrap_mean] values must hold at least one");
        const auto interval = experiments::bootstrap_mean(values, seed, num_resamples);
        return std::make_tuple(interval.low, interval.high);
      },
      py::arg("values"), py::arg("seed") = 0, py::arg("num_resamples") = 10000, py::call_guard<py::gil_scoped_release>(), "95 % percentile bootstrap of a mean: (low, high).");
  m.def("normalized_to_source", [](const std::string& text) { return experiments::normalized_to_source(text); }, py::arg("text"),
        "For each character of normalize_space(text) its place among the characters of text.");
  m.def(
      "reading_facts",
      [](const std::string& reference, const std::string& hypothesis) {
        Json out;
        {
          py::gil_scoped_release release;
          const auto a = metrics::one_space(metrics::code_points_of(reference)), b = metrics::one_space(metrics::code_points_of(hypothesis));
          std::vector<metrics::EditRun> script;
          metrics::edit_script(a, b, script);
          out = metrics::facts_to_json(metrics::reading_facts(a, b, script));
        }
        return to_python(out);
      },
      py::arg("reference"), py::arg("hypothesis"), "Empty, looped, truncated, and the share of the reading that is not on the page.");
}

}  // namespace fovea::python
