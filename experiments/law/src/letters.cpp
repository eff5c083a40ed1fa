#include "fovea/law/letters.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "fovea/base/error.h"
#include "fovea/metrics/edit_distance.h"

namespace fovea::law {
namespace {

double plogp(double p) { return p > 0 ? -p * std::log2(p) : 0; }
double binary_entropy(double p) { return plogp(p) + plogp(1 - p); }

}  // namespace

LetterInformation letter_information(const std::vector<std::pair<std::u32string, std::u32string>>& pages, std::u32string_view alphabet) {
  if (alphabet.size() < 2) throw ConfigError("[letter_information] alphabet must hold at least two characters, got " + std::to_string(alphabet.size()));
  const size_t size = alphabet.size(), kOther = size, kLost = size + 1;
  std::map<char32_t, size_t> number;
  for (size_t i = 0; i < size; ++i) number.emplace(alphabet[i], i);
  std::vector<std::vector<double>> joint(size, std::vector<double>(size + 2, 0));

  LetterInformation out;
  size_t num_reference = 0, num_read = 0;
  for (const auto& [reference, reading] : pages) {
    num_reference += reference.size(), num_read += reading.size();
    std::vector<metrics::EditRun> script;
    metrics::edit_script(reference, reading, script);
    for (const auto& run : script) {
      if (run.kind == metrics::EditKind::kInsert) {
        out.num_added += run.length;
        continue;
      }
      if (run.kind == metrics::EditKind::kDelete) out.num_lost += run.length;
      for (uint32_t i = 0; i < run.length; ++i) {
        const auto letter = number.find(reference[run.ref_begin + i]);
        if (letter == number.end()) continue;
        size_t read = kLost;
        if (run.kind != metrics::EditKind::kDelete) {
          const auto found = number.find(reading[run.hyp_begin + i]);
          read = found == number.end() ? kOther : found->second;
        }
        ++out.num_letters;
        out.num_wrong += read != letter->second;
        joint[letter->second][read] += 1;
      }
    }
  }
  if (out.num_letters == 0) throw ConfigError("[letter_information] no character of the alphabet stands on the pages");

  const double n = double(out.num_letters);
  double unread = 0;  // lost, or read as something that no letter is: no guess at all
  for (size_t x = 0; x < size; ++x) unread += joint[x][kOther] + joint[x][kLost];
  out.source_bits = std::log2(double(size));
  if (unread < n) {
    const double wrong = (double(out.num_wrong) - unread) / (n - unread);
    out.fano_bits = (n - unread) / n * std::max(0.0, out.source_bits - binary_entropy(wrong) - wrong * std::log2(double(size - 1)));
  }

  std::vector<double> rows(size, 0), columns(size + 2, 0);
  for (size_t x = 0; x < size; ++x)
    for (size_t y = 0; y < size + 2; ++y) rows[x] += joint[x][y], columns[y] += joint[x][y];
  double information = 0;
  for (size_t x = 0; x < size; ++x)
    for (size_t y = 0; y < size + 2; ++y)
      if (joint[x][y] > 0) information += joint[x][y] / n * std::log2(joint[x][y] * n / (rows[x] * columns[y]));
  // Miller (1955): a plug-in estimate of mutual information is too high by (non-empty cells - rows - columns + 1) / (2 n ln 2). With a reading
  // that is nearly always right the marginals hold as many cells, so the term may be below zero: then nothing is added.
  const auto filled = [](const std::vector<double>& counts) { return double(std::count_if(counts.begin(), counts.end(), [](double c) { return c > 0; })); };
  double cells = 0;
  for (const auto& row : joint) cells += filled(row);
  const double bias = (cells - filled(rows) - filled(columns) + 1) / (2 * n * std::log(2.0));
  out.confusion_bits = std::clamp(information - std::max(0.0, bias), 0.0, out.source_bits);

  const double lost = num_reference ? double(out.num_lost) / double(num_reference) : 0, added = num_read ? double(out.num_added) / double(num_read) : 0;
  out.alignment_bits = (double(num_reference) * binary_entropy(lost) + double(num_read) * binary_entropy(added)) / n;
  out.total_bits = n * std::max(0.0, std::max(out.fano_bits, out.confusion_bits) - out.alignment_bits);
  return out;
}

}  // namespace fovea::law
