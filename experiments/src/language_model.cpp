#include "fovea/experiments/language_model.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/score.h"

namespace fovea::experiments {
namespace {

// Hash of the last `length` characters of a history; 64 bits, so that among 10^8 contexts two are taken for one with probability 3e-4.
uint64_t context_of(std::u32string_view history, size_t length) {
  uint64_t hash = 0x9e3779b97f4a7c15ULL + length;
  for (size_t i = history.size() - length; i < history.size(); ++i) hash = mix64(hash ^ (uint64_t(history[i]) + 0x632be59bd9b4e019ULL));
  return hash;
}

struct Followers {
  uint32_t total = 0;
  std::vector<std::pair<char32_t, uint32_t>> counts;  // in order of first sight
};

using Contexts = std::unordered_map<uint64_t, Followers>;

constexpr double kDiscount = 0.75, kUniform = 1.0 / 2097152;  // 2^21 covers all code points

// Notes that `c` follows the history: in its longest context, and in a shorter one if the longer had not seen it.
void learn(Contexts& contexts, std::u32string_view history, char32_t c, int order) {
  for (size_t length = std::min(size_t(order), history.size()) + 1; length-- > 0;) {
    Followers& f = contexts[context_of(history, length)];
    ++f.total;
    const auto it = std::find_if(f.counts.begin(), f.counts.end(), [&](const auto& item) { return item.first == c; });
    if (it != f.counts.end()) {
      ++it->second;
      return;
    }
    f.counts.emplace_back(c, 1);
  }
}

// Followers of the contexts of length 0, 1, ... as far as they are known.
std::vector<Followers> chain_of(const Contexts& learnt, const Contexts* here, std::u32string_view history, int order) {
  std::vector<Followers> out;
  for (size_t length = 0; length <= std::min(size_t(order), history.size()); ++length) {
    const uint64_t key = context_of(history, length);
    const auto a = learnt.find(key);
    const auto b = here ? here->find(key) : learnt.end();
    const bool in_a = a != learnt.end(), in_b = here && b != here->end();
    if (!in_a && !in_b) break;
    Followers all = in_a ? a->second : Followers();
    if (in_b) {
      all.total += b->second.total;
      for (const auto& [symbol, count] : b->second.counts) {
        const auto it = std::find_if(all.counts.begin(), all.counts.end(), [&](const auto& item) { return item.first == symbol; });
        if (it == all.counts.end())
          all.counts.emplace_back(symbol, count);
        else
          it->second += count;
      }
    }
    out.push_back(std::move(all));
  }
  return out;
}

double probability_of(const std::vector<Followers>& chain, char32_t c) {
  double p = kUniform;
  for (const Followers& f : chain) {
    uint32_t count = 0;
    for (const auto& [symbol, n] : f.counts)
      if (symbol == c) {
        count = n;
        break;
      }
    p = (std::max(double(count) - kDiscount, 0.0) + kDiscount * double(f.counts.size()) * p) / double(f.total);
  }
  return p;
}

// The most probable next character; ties go to the smaller code point.
char32_t best_of(const std::vector<Followers>& chain) {
  std::vector<char32_t> candidates;
  for (size_t i = chain.size(); i-- > 0;) {
    for (const auto& [symbol, n] : chain[i].counts)
      if (std::find(candidates.begin(), candidates.end(), symbol) == candidates.end()) candidates.push_back(symbol);
    if (candidates.size() >= 24) break;  // what only the shortest contexts know is never the most probable
  }
  char32_t found = U' ';
  double most = -1;
  for (char32_t c : candidates) {
    const double p = probability_of(chain, c);
    if (p > most || (p == most && c < found)) most = p, found = c;
  }
  return found;
}

}  // namespace

struct LanguageModel::Tables {
  int order = 6;
  size_t num_chars = 0;
  Contexts contexts;
};

LanguageModel::LanguageModel(int order) : tables_(std::make_unique<Tables>()) {
  if (order < 0 || order > 16) throw ConfigError("[language model] order must be from 0 to 16, got " + std::to_string(order));
  tables_->order = order;
}
LanguageModel::~LanguageModel() = default;
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;

size_t LanguageModel::train(std::string_view raw, size_t max_chars) {
  const std::u32string text = to_code_points(normalize_space(raw));
  const size_t take = std::min(text.size(), max_chars > tables_->num_chars ? max_chars - tables_->num_chars : 0);
  for (size_t i = 0; i < take; ++i) learn(tables_->contexts, std::u32string_view(text).substr(0, i), text[i], tables_->order);
  tables_->num_chars += take;
  return take;
}

size_t LanguageModel::num_chars() const { return tables_->num_chars; }

double LanguageModel::probability(std::u32string_view history, char32_t c) const { return probability_of(chain_of(tables_->contexts, nullptr, history, tables_->order), c); }

Foresight LanguageModel::follow(std::string_view raw) const {
  const std::u32string text = to_code_points(normalize_space(raw));
  const std::u32string_view all = text;
  Foresight out;
  Contexts here;  // what the text itself has taught so far
  bool word_right = true;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto history = all.substr(0, i);
    const auto chain = chain_of(tables_->contexts, &here, history, tables_->order);
    out.bits -= std::log2(probability_of(chain, text[i]));
    const bool right = best_of(chain) == text[i];
    learn(here, history, text[i], tables_->order);
    out.num_tokens += 1;
    out.num_right += right;
    // With the true text before it, greedy continuation writes the word if and only if each of its characters is the most probable one.
    word_right = word_right && right;
    if (text[i] == U' ' || i + 1 == text.size()) {
      ++out.num_words;
      out.num_words_right += word_right;
      word_right = true;
    }
  }
  return out;
}

}  // namespace fovea::experiments
