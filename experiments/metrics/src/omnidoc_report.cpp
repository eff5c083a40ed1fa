#include "omnidoc_report.h"

#include <algorithm>
#include <set>

#include "fovea/metrics/edit_distance.h"

namespace fovea::metrics {
namespace {

// What a pair adds to an average over pages.
struct Entry {
  std::string page;
  double score;
  double weight;  // upper length; 1 for means of samples
};

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum / double(values.size());
}

// Page values first (weighted mean in the page), then over pages.
std::vector<double> page_values(const std::vector<Entry>& entries) {
  std::map<std::string, std::pair<double, double>> sums;
  for (const auto& e : entries) sums[e.page].first += e.score * e.weight, sums[e.page].second += e.weight;
  std::vector<double> out;
  for (const auto& [page, sum] : sums) out.push_back(sum.first / sum.second);
  return out;
}

std::string shown(const Json& value) {  // Python's str()
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_null()) return "None";
  return value.dump();
}

// Labels of a page's attributes: "name: value", and the entries of a list as they stand, those of tables left out.
std::vector<std::string> page_labels(const Json& attributes) {
  std::vector<std::string> out = {"ALL"};
  if (!attributes.is_object()) return out;
  for (const auto& item : attributes.items()) {
    if (!item.value().is_array()) {
      out.push_back(item.key() + ": " + shown(item.value()));
      continue;
    }
    for (const Json& one : item.value())
      if (const std::string label = shown(one); label.find("table") == std::string::npos) out.push_back(label);
  }
  return out;
}

Json sorted(const std::map<std::string, double>& values) {
  Json out = Json::object();
  for (const auto& [name, value] : values) out[name] = value;
  return out;
}

struct Table {  // metric -> label -> entries
  std::map<std::string, std::map<std::string, std::vector<Entry>>> entries;
  void add(const std::string& metric, const std::string& page, double score, double weight, const PageAttributes& attributes) {
    const auto found = attributes.find(page);
    for (const auto& label : page_labels(found == attributes.end() ? Json() : found->second)) entries[metric][label].push_back({page, score, weight});
  }
  Json report(bool with_variance) const {
    Json out = Json::object();
    for (const auto& [metric, labels] : entries) {
      std::map<std::string, double> means, variances;
      for (const auto& [label, list] : labels) {
        const auto values = page_values(list);
        means[label] = mean(values);
        double squares = 0;
        for (double v : values) squares += (v - means[label]) * (v - means[label]);
        if (values.size() > 1) variances[label] = squares / double(values.size() - 1);
      }
      out[metric] = sorted(means);
      if (metric != "Edit_dist" || !with_variance) continue;
      Json list = Json::object();
      for (const auto& [label, unused] : means) list[label] = variances.count(label) ? Json(variances[label]) : Json(nullptr);
      out["Edit_dist_var"] = list;
    }
    return out;
  }
};

Json distance_summary(const std::vector<Entry>& entries, OmniDocVersion version) {
  if (entries.empty()) return {{"ALL_page_avg", "NaN"}};
  Json out = {{"ALL_page_avg", mean(page_values(entries))}};
  if (version == OmniDocVersion::k1_0) return out;
  double edits = 0, length = 0, ratios = 0;
  for (const auto& e : entries) edits += e.score * e.weight, length += e.weight, ratios += e.score;
  out["edit_whole"] = edits / length;
  out["edit_sample_avg"] = ratios / double(entries.size());
  return out;
}

double upper_length(const MatchedSample& s) { return double(std::max(compared_truth(s).size(), compared_prediction(s).size())); }

}  // namespace

std::u32string_view compared_truth(const MatchedSample& s) { return s.normal_truth.empty() ? s.truth : s.normal_truth; }
std::u32string_view compared_prediction(const MatchedSample& s) { return s.normal_prediction.empty() ? s.prediction : s.normal_prediction; }

double OrderSample::edits() const {
  std::map<double, char32_t> numbers;
  const auto numbered = [&](const std::vector<double>& values) {
    std::u32string out;
    for (double v : values) out += numbers.try_emplace(v, char32_t(numbers.size())).first->second;
    return out;
  };
  const auto a = numbered(truth), b = numbered(prediction);
  return double(edit_distance(a, b));
}

std::map<std::string, double> page_distances(const std::vector<MatchedSample>& samples) {
  std::map<std::string, std::pair<double, double>> sums;
  for (const auto& s : samples)
    if (s.edit_distance) sums[s.page].first += *s.edit_distance * upper_length(s), sums[s.page].second += upper_length(s);
  std::map<std::string, double> out;
  for (const auto& [page, sum] : sums) out[page] = sum.first / sum.second;
  return out;
}

Json element_report(const std::vector<MatchedSample>& samples, const PageAttributes& attributes, OmniDocVersion version, bool with_teds,
                    const std::set<std::string>& expected) {
  std::vector<Entry> distances;
  Table pages;
  std::map<std::string, std::map<std::string, std::vector<double>>> groups;  // metric -> label
  double sum_teds = 0, sum_structure = 0;
  for (const auto& s : samples) {
    std::map<std::string, double> metrics;
    if (s.edit_distance) metrics["Edit_dist"] = *s.edit_distance;
    if (s.teds) metrics["TEDS"] = *s.teds, metrics["TEDS_structure_only"] = *s.teds_structure;
    if (s.edit_distance) distances.push_back({s.page, *s.edit_distance, upper_length(s)});
    sum_teds += s.teds.value_or(0);
    sum_structure += s.teds_structure.value_or(0);
    std::set<std::string> labels;
    for (const Json& attribute : s.truth_attribute)
      if (attribute.is_object())
        for (const auto& item : attribute.items()) labels.insert(item.key() + ": " + shown(item.value()));
    for (const auto& [metric, score] : metrics) {
      pages.add(metric, s.page, score, metric == "Edit_dist" ? upper_length(s) : 1, attributes);
      for (const auto& label : labels) groups[metric][label].push_back(score);
    }
  }
  std::set<std::string> present;
  for (const auto& s : samples) present.insert(s.page);
  for (const auto& page : expected)
    if (!present.count(page))
      for (const char* metric : {"TEDS", "TEDS_structure_only"}) pages.add(metric, page, 0, 1, attributes);
  Json all = Json::object();
  if (with_teds) {
    all["TEDS"] = {{"all", samples.empty() ? Json("NaN") : Json(sum_teds / double(samples.size()))}};
    all["TEDS_structure_only"] = {{"all", samples.empty() ? Json("NaN") : Json(sum_structure / double(samples.size()))}};
  }
  all["Edit_dist"] = distance_summary(distances, version);
  Json group = Json::object(), counts = Json::object();
  for (const auto& [metric, labels] : groups) {
    group[metric] = Json::object();
    for (const auto& [label, scores] : labels) {
      group[metric][label] = mean(scores);
      counts[label] = scores.size();
    }
  }
  group["sample_count"] = counts;
  return {{"all", all}, {"group", group}, {"page", pages.report(version == OmniDocVersion::k1_0)}};
}

Json order_report(const std::vector<OrderSample>& samples, const PageAttributes& attributes, OmniDocVersion version) {
  std::vector<Entry> distances;
  Table pages;
  for (const auto& s : samples) {
    const double longer = double(std::max(s.truth.size(), s.prediction.size()));
    distances.push_back({s.page, s.edits() / longer, longer});
    pages.add("Edit_dist", s.page, s.edits() / longer, longer, attributes);
  }
  return {{"all", {{"Edit_dist", distance_summary(distances, version)}}},
          {"group", {{"sample_count", Json::object()}}},
          {"page", pages.report(version == OmniDocVersion::k1_0)}};
}

}  // namespace fovea::metrics
