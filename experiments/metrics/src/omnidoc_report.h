// Averages of scored pairs, laid out as the official result file.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "omnidoc_match.h"

namespace fovea::metrics {

/// Reading order of a page: order values as they should come, and as the matched pieces come.
struct OrderSample {
  std::string page;
  std::vector<double> truth, prediction;
  double edits() const;
};

using PageAttributes = std::map<std::string, Json>;  ///< page_attribute of each image

/// {all, group, page} of one element. with_teds: tables. expected: pages that count as TEDS 0 if they have no pair.
Json element_report(const std::vector<MatchedSample>& samples, const PageAttributes& attributes, OmniDocVersion version, bool with_teds,
                    const std::set<std::string>& expected = {});
Json order_report(const std::vector<OrderSample>& samples, const PageAttributes& attributes, OmniDocVersion version);
/// Edit distance of each page: edits over lengths.
std::map<std::string, double> page_distances(const std::vector<MatchedSample>& samples);

/// The strings that are compared: normalised, or raw where that is empty.
std::u32string_view compared_truth(const MatchedSample& sample);
std::u32string_view compared_prediction(const MatchedSample& sample);

}  // namespace fovea::metrics
