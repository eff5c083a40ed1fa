#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <unordered_map>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/unicode_text.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

enum State { kBegin, kMiddle, kEnd, kSingle, kNumStates };
constexpr char kStateNames[] = "BMES";
constexpr double kNever = -3.14e100;  // jieba's log of a probability of nought

struct Hash {
  size_t operator()(std::u32string_view text) const {
    size_t hash = 14695981039346656037u;  // FNV-1a over code points
    for (char32_t c : text) hash = (hash ^ c) * 1099511628211u;
    return hash;
  }
};

bool is_han(char32_t c) { return c >= 0x4E00 && c <= 0x9FD5; }
bool is_ascii_letter_or_digit(char32_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_block(char32_t c) { return is_han(c) || is_ascii_letter_or_digit(c) || (c < 0x80 && c != 0 && std::string_view("+#&._%-").find(char(c)) != std::string_view::npos); }

// The floats of a printed Python dict, told apart by its quoted keys: {'B': {'\u4e00': -3.65, ...}, ...} or {'B': -0.26, ...}.
class DictReader {
 public:
  DictReader(std::string text, std::string path) : text_(std::move(text)), path_(std::move(path)) {}
  /// Calls put(keys on the way, number).
  template <class Put> void read(Put&& put) {
    std::vector<char32_t> keys;
    char32_t key = 0;
    for (at_ = std::min(text_.find('{'), text_.size()); at_ < text_.size();) {
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        key = quoted(c);
      } else if (c == '{') {
        if (key) keys.push_back(key);
        key = 0;
        ++at_;
      } else if (c == '}') {
        if (!keys.empty()) keys.pop_back();
        ++at_;
      } else if (c == '-' || (c >= '0' && c <= '9')) {
        char* end = nullptr;
        const double value = std::strtod(text_.c_str() + at_, &end);
        at_ = size_t(end - text_.c_str());
        keys.push_back(key);
        put(keys, value);
        keys.pop_back();
      } else {
        ++at_;
      }
    }
  }

 private:
  char32_t quoted(char mark) {
    const size_t end = text_.find(mark, ++at_);
    if (end == std::string::npos) throw ConfigError("[jieba] " + path_ + ": a quote is not closed at byte " + std::to_string(at_));
    const std::string inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    if (inside.size() == 6 && inside[0] == '\\' && inside[1] == 'u') return char32_t(std::strtoul(inside.c_str() + 2, nullptr, 16));
    require_utf8(inside, path_);
    const auto points = to_code_points(inside);
    if (points.size() != 1) throw ConfigError("[jieba] " + path_ + ": key '" + inside + "' must be one character");
    return points[0];
  }
  std::string text_, path_;
  size_t at_ = 0;
};

}  // namespace

struct Jieba::Tables {
  std::u32string all_words;                                          // what the keys below point into
  std::unordered_map<std::u32string_view, double, Hash> frequency;   // 0: only the beginning of a word
  double log_total = 0;
  std::array<double, kNumStates> start{};
  std::array<std::array<double, kNumStates>, kNumStates> trans{};    // [from][to]
  std::array<std::unordered_map<char32_t, double>, kNumStates> emit;

  const double* find(std::u32string_view word) const {
    const auto found = frequency.find(word);
    return found == frequency.end() ? nullptr : &found->second;
  }
  double emission(State state, char32_t c) const {
    const auto found = emit[state].find(c);
    return found == emit[state].end() ? kNever : found->second;
  }

  // Viterbi over begin, middle, end, single. Ties go to the state of the greater letter, as Python's max over (score, letter) does.
  void cut_unknown_han(std::u32string_view text, std::vector<std::u32string>& out) const {
    static constexpr std::array<std::array<State, 2>, kNumStates> kBefore = {{{kEnd, kSingle}, {kMiddle, kBegin}, {kBegin, kMiddle}, {kSingle, kEnd}}};
    const size_t n = text.size();
    std::vector<std::array<double, kNumStates>> score(n);
    std::vector<std::array<State, kNumStates>> from(n);
    for (int y = 0; y < kNumStates; ++y) score[0][y] = start[y] + emission(State(y), text[0]);
    for (size_t t = 1; t < n; ++t) {
      for (int y = 0; y < kNumStates; ++y) {
        const double emitted = emission(State(y), text[t]);
        bool first = true;
        for (State before : kBefore[y]) {
          const double value = score[t - 1][before] + trans[before][y] + emitted;
          if (first || value > score[t][y] || (value == score[t][y] && kStateNames[before] > kStateNames[from[t][y]]))
            score[t][y] = value, from[t][y] = before;
          first = false;
        }
      }
    }
    std::vector<State> states(n);
    states[n - 1] = score[n - 1][kSingle] >= score[n - 1][kEnd] ? kSingle : kEnd;
    for (size_t t = n - 1; t > 0; --t) states[t - 1] = from[t][states[t]];
    size_t begin = 0, next = 0;
    for (size_t i = 0; i < n; ++i) {
      if (states[i] == kBegin) {
        begin = i;
      } else if (states[i] == kEnd) {
        out.emplace_back(text.substr(begin, i + 1 - begin));
        next = i + 1;
      } else if (states[i] == kSingle) {
        out.emplace_back(1, text[i]);
        next = i + 1;
      }
    }
    if (next < n) out.emplace_back(text.substr(next));
  }

  // Text of characters that the dictionary joins nowhere: Han by the model, numbers and Latin letters by a pattern.
  void cut_unknown(std::u32string_view text, std::vector<std::u32string>& out) const {
    for (size_t at = 0; at < text.size();) {
      size_t end = at;
      if (is_han(text[at])) {
        while (end < text.size() && is_han(text[end])) ++end;
        cut_unknown_han(text.substr(at, end - at), out);
        at = end;
        continue;
      }
      while (end < text.size() && !is_han(text[end])) ++end;
      std::u32string_view rest = text.substr(at, end - at);
      at = end;
      // letters and digits, then perhaps a decimal part, then perhaps a per cent sign; what stands between them stays whole
      size_t plain = 0;
      for (size_t i = 0; i < rest.size();) {
        if (!is_ascii_letter_or_digit(rest[i])) {
          ++i;
          continue;
        }
        if (i > plain) out.emplace_back(rest.substr(plain, i - plain));
        size_t stop = i;
        while (stop < rest.size() && is_ascii_letter_or_digit(rest[stop])) ++stop;
        size_t digits = stop + 1;
        if (stop < rest.size() && rest[stop] == '.')
          while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
        if (digits > stop + 1) stop = digits;
        if (stop < rest.size() && rest[stop] == '%') ++stop;
        out.emplace_back(rest.substr(i, stop - i));
        i = plain = stop;
      }
      if (plain < rest.size()) out.emplace_back(rest.substr(plain));
    }
  }

  void cut_block(std::u32string_view text, std::vector<std::u32string>& out) const {
    const size_t n = text.size();
    std::vector<size_t> end_of(n);
    std::vector<double> best(n + 1, 0);
    std::vector<size_t> ends;
    for (size_t k = n; k-- > 0;) {
      ends.clear();
      for (size_t i = k; i < n; ++i) {
        const double* found = find(text.substr(k, i + 1 - k));
        if (!found) break;
        if (*found > 0) ends.push_back(i);
      }
      if (ends.empty()) ends.push_back(k);
      bool first = true;
      for (size_t i : ends) {
        const double* found = find(text.substr(k, i + 1 - k));
        const double value = std::log(found && *found > 0 ? *found : 1.0) - log_total + best[i + 1];
        if (first || value >= best[k]) best[k] = value, end_of[k] = i + 1;  // a tie goes to the longer word
        first = false;
      }
    }
    std::u32string gathered;
    const auto flush = [&] {
      if (gathered.empty()) return;
      const double* found = find(gathered);
      if (gathered.size() == 1) out.push_back(gathered);
      else if (!found || *found == 0) cut_unknown(gathered, out);
      else
        for (char32_t c : gathered) out.emplace_back(1, c);
      gathered.clear();
    };
    for (size_t x = 0; x < n; x = end_of[x]) {
      if (end_of[x] - x == 1) {
        gathered += text[x];
      } else {
        flush();
        out.emplace_back(text.substr(x, end_of[x] - x));
      }
    }
    flush();
  }
};

Jieba::Jieba(const std::string& folder) : tables_(std::make_unique<Tables>()) {
  const std::string path = folder + "/dict.txt";
  const std::string dictionary = read_file(path);
  require_utf8(dictionary, path);
  struct Entry {
    size_t begin, length;
    double frequency;
  };
  std::vector<Entry> entries;
  tables_->all_words.reserve(dictionary.size() / 3);
  double total = 0;
  size_t line_number = 0;
  for (size_t at = 0; at < dictionary.size();) {
    const size_t end = std::min(dictionary.find('\n', at), dictionary.size());
    const std::string_view line(dictionary.data() + at, end - at);
    at = end + 1;
    ++line_number;
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    if (space == line.npos) throw ConfigError("[jieba] " + path + " line " + std::to_string(line_number) + " must be 'WORD FREQUENCY TAG', got '" + std::string(line) + "'");
    const std::u32string word = to_code_points(line.substr(0, space));
    const double frequency = std::strtod(line.data() + space, nullptr);
    entries.push_back({tables_->all_words.size(), word.size(), frequency});
    tables_->all_words += word;
    total += frequency;
  }
  if (total <= 0) throw ConfigError("[jieba] " + path + " holds no word");
  tables_->log_total = std::log(total);
  tables_->frequency.reserve(2 * entries.size());
  for (const auto& entry : entries) {
    const std::u32string_view word(tables_->all_words.data() + entry.begin, entry.length);
    tables_->frequency[word] = entry.frequency;
    for (size_t length = 1; length < word.size(); ++length) tables_->frequency.try_emplace(word.substr(0, length), 0);
  }

  const auto state_of = [](char32_t name, const std::string& file) {
    const size_t at = name < 0x80 ? std::string_view(kStateNames).find(char(name)) : std::string_view::npos;
    if (at == std::string_view::npos || at >= kNumStates) throw ConfigError("[jieba] " + file + ": states must be B, M, E or S");
    return at;
  };
  const std::string model = folder + "/finalseg/prob_";
  tables_->start.fill(kNever);
  for (auto& row : tables_->trans) row.fill(kNever);
  DictReader(read_file(model + "start.py"), model + "start.py").read([&](const auto& keys, double value) {
    tables_->start[state_of(keys.at(0), model + "start.py")] = value;
  });
  DictReader(read_file(model + "trans.py"), model + "trans.py").read([&](const auto& keys, double value) {
    if (keys.size() == 2) tables_->trans[state_of(keys[0], model + "trans.py")][state_of(keys[1], model + "trans.py")] = value;
  });
  DictReader(read_file(model + "emit.py"), model + "emit.py").read([&](const auto& keys, double value) {
    if (keys.size() == 2) tables_->emit[state_of(keys[0], model + "emit.py")][keys[1]] = value;
  });
}

Jieba::~Jieba() = default;

std::vector<std::u32string> Jieba::cut(std::u32string_view text) const {
  std::vector<std::u32string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    if (is_block(text[at])) {
      while (end < text.size() && is_block(text[end])) ++end;
      tables_->cut_block(text.substr(at, end - at), out);
      at = end;
    } else if (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') {
      out.emplace_back(U"\r\n");
      at += 2;
    } else {
      out.emplace_back(1, text[at++]);
    }
  }
  return out;
}

std::string Jieba::find(const std::string& asked) {
  if (!asked.empty()) return asked;
  if (const char* set = std::getenv("FOVEA_JIEBA"); set && *set) return set;
  const std::string debian = "/usr/lib/python3/dist-packages/jieba";
  return std::filesystem::exists(debian + "/dict.txt") ? debian : "";
}

std::shared_ptr<const Jieba> Jieba::shared(const std::string& folder) {
  if (folder.empty())
    throw ConfigError("[jieba] Chinese text is segmented with jieba's dictionary, which was not found; install python3-jieba, or name a folder with dict.txt "
                      "(jieba=FOLDER or FOVEA_JIEBA)");
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Jieba>> kept;
  std::lock_guard<std::mutex> lock(mutex);
  auto& one = kept[folder];
  if (!one) {
    try {
      one = std::make_shared<const Jieba>(folder);
    } catch (...) {
      kept.erase(folder);
      throw;
    }
  }
  return one;
}

}  // namespace fovea::metrics
