#include "fovea/experiments/score_verb.h"

#include <cstdio>

namespace fovea::experiments {
namespace {

std::string number(const Json& value) {
  if (!value.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value.get<double>());
  return text;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string reading_line(const Json& reading) {
  return "empty " + number(reading["empty_rate"]) + "  loops " + number(reading["loop_rate"]) + "  truncated " + number(reading["truncation_rate"]) + "  not on the page " +
         number(reading["hallucination_rate"]) + "\n";
}

std::string describe_fox(const Json& result) {
  std::string out = std::to_string(result["num_counted"].get<size_t>()) + " records\n" + padded("", 12) + padded("natural", 10) + "as_called\n";
  for (const auto& item : result["natural"].items()) out += padded(item.key(), 12) + padded(number(item.value()), 10) + number(result["as_called"][item.key()]) + "\n";
  return out + padded("exact match", 12) + number(result["exact_match"]) + "\n" + reading_line(result["reading"]);
}

std::string describe_omnidocbench(const Json& result) {
  std::string out = "version " + result["version"].get<std::string>() + ", " + result["match"].get<std::string>() + ", " +
                    std::to_string(result["num_scored"].get<size_t>()) + " of " + std::to_string(result["num_pages"].get<size_t>()) + " pages\n";
  for (const char* element : {"text_block", "display_formula", "table", "reading_order"}) {
    out += padded(element, 18) + "edit distance " + number(result[element]["all"]["Edit_dist"]["ALL_page_avg"]);
    if (const Json& page = result[element]["page"]; page.contains("TEDS"))
      out += "  TEDS " + number(page["TEDS"]["ALL"]) + "  TEDS-S " + number(page["TEDS_structure_only"]["ALL"]);
    out += "\n";
  }
  if (result["overall"].contains("EN"))
    for (const char* language : {"EN", "CH"}) out += padded(std::string("overall ") + language, 18) + number(result["overall"][language]["overall"]) + "\n";
  else if (result["overall"].contains("overall") && result["overall"]["overall"].is_number())
    out += padded("overall", 18) + number(result["overall"]["overall"]) + "  (text " + number(result["overall"]["text_block_Edit_dist"]) + ", CDM " +
           number(result["overall"]["display_formula_CDM"]) + ", TEDS " + number(result["overall"]["table_TEDS"]) + ")\n";
  else if (result["overall"].contains("why_null"))
    out += padded("overall", 18) + "-  " + result["overall"]["why_null"].get<std::string>() + "\n";
  return out;
}

std::string describe_text(const Json& result) {
  std::string out = std::to_string(result["num_texts"].get<size_t>()) + " texts\n";
  for (const auto& item : result["mean"].items()) out += padded(item.key(), 14) + number(item.value()) + "\n";
  return out + reading_line(result["reading"]);
}

}  // namespace

std::string describe_score(const Json& result) {
  const std::string schema = result["schema"].get<std::string>();
  std::string out = schema == "fovea.score.fox" ? describe_fox(result) : schema == "fovea.score.omnidocbench" ? describe_omnidocbench(result) : describe_text(result);
  for (const Json& warning : result["warnings"]) out += "warning: " + warning.get<std::string>() + "\n";
  return out;
}

}  // namespace fovea::experiments
