#include "fovea/experiments/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

// "ratio was [5.0], is [10.0]" for every leaf that is not the same.
std::string differences(const Json& before, const Json& after) {
  const Json a = before.flatten(), b = after.flatten();
  std::string out;
  size_t count = 0;
  std::vector<std::string> told;
  const auto tell = [&](const std::string& pointer) {
    // a list is told of as a whole
    std::string at = pointer;
    const size_t slash = at.rfind('/');
    if (slash != std::string::npos && slash + 1 < at.size() && std::isdigit(static_cast<unsigned char>(at[slash + 1]))) at.resize(slash);
    if (std::find(told.begin(), told.end(), at) != told.end()) return;
    told.push_back(at);
    if (++count > 5) return;
    const auto show = [&](const Json& in) {
      const Json::json_pointer p(at);
      return in.contains(p) ? in.at(p).dump() : std::string("absent");
    };
    std::string name = at.substr(1);
    if (name.rfind("config/", 0) == 0) name = name.substr(7);
    std::replace(name.begin(), name.end(), '/', '.');
    out += (out.empty() ? "" : "; ") + name + " was " + show(before) + ", is " + show(after);
  };
  for (const auto& item : a.items())
    if (!b.contains(item.key()) || b[item.key()] != item.value()) tell(item.key());
  for (const auto& item : b.items())
    if (!a.contains(item.key())) tell(item.key());
  if (count > 5) out += "; and " + std::to_string(count - 5) + " more";
  return out;
}

std::string csv_cell(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string out = "\"";
    for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
  }
  if (value.is_number_float()) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value.get<double>()).ptr;
    return std::string(buffer, end);
  }
  return value.dump();
}

}  // namespace

void check_run_folder(const std::string& path, const Json& identity) {
  if (path.empty()) throw ConfigError("[run folder] out must name a folder, got an empty text");
  std::error_code ec;
  if (!fs::exists(path, ec)) {
    fs::path parent = fs::absolute(path, ec);
    while (parent.has_relative_path() && !fs::exists(parent, ec)) parent = parent.parent_path();
    if (!fs::is_directory(parent, ec)) throw IoError("[run folder] out=" + path + " cannot be made: " + parent.string() + " is not a folder");
    if (::access(parent.c_str(), W_OK | X_OK) != 0)
      throw IoError("[run folder] out=" + path + " cannot be made: " + parent.string() + ": " + std::strerror(errno) + "; name another folder");
    return;
  }
  if (!fs::is_directory(path, ec)) throw IoError("[run folder] out=" + path + " is a file; name a folder");
  if (::access(path.c_str(), W_OK | X_OK) != 0)
    throw IoError("[run folder] cannot write into out=" + path + ": " + std::strerror(errno) + "; name another folder");
  const bool has_config = fs::exists(path + "/config.json", ec);
  if (!has_config) {
    // an empty one is left where the disk was full before config.json could be written
    if (fs::exists(path + "/results.jsonl", ec) && fs::file_size(path + "/results.jsonl", ec) > 0)
      throw ConfigError("[run folder] out=" + path + " holds results.jsonl but no config.json: not a run to go on with; name another folder");
    return;
  }
  Json before;
  try {
    before = Json::parse(read_file(path + "/config.json"));
  } catch (const Json::exception& e) {
    throw ConfigError("[run folder] " + path + "/config.json is not JSON (" + e.what() + "); name another folder");
  }
  if (before.is_object() && before.contains("format") && before["format"].is_number_integer() && before["format"].get<int64_t>() > kRunFormat)
    throw ConfigError("[run folder] out=" + path + " was written by a newer Fovea (format " + before["format"].dump() + ", this one knows up to " +
                      std::to_string(kRunFormat) + "); go on with that, or name another folder");
  if (before != identity)
    throw ConfigError("[run folder] out=" + path + " holds a run of other options: " + differences(before, identity) +
                      "; name another folder, or remove it");
}

RunFolder::RunFolder(const std::string& path, const Json& identity) : path_(path) {
  check_run_folder(path, identity);
  make_writable_folder(path);
  fd_ = ::open(file("results.jsonl").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw IoError("[run folder] cannot write " + file("results.jsonl") + ": " + std::strerror(errno));
  try {
    bool taken = true;
    for (int attempt = 0; taken && attempt < 5; ++attempt) {  // run_folder_is_taken of another process holds it for a moment
      if (attempt > 0) ::usleep(20'000);
      taken = ::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    }
    if (taken)
      throw BusyError("[run folder] another process writes into out=" + path + "; wait for it or name another folder");
    if (!fs::exists(file("config.json"))) write_file_atomic(file("config.json"), identity.dump(2) + "\n");
    const std::string text = read_file(file("results.jsonl"));
    size_t begin = 0, good = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = good = end + 1) {
      const auto line = text.substr(begin, end - begin);
      Json parsed = Json::parse(line, nullptr, false);
      if (parsed.is_discarded()) break;  // a machine that went down may leave zeros; what follows is read again
      results_.push_back(std::move(parsed));
    }
    if (good != text.size() && ::ftruncate(fd_, off_t(good)) != 0)
      throw IoError("[run folder] cannot cut " + file("results.jsonl") + ": " + std::strerror(errno));
    ::lseek(fd_, 0, SEEK_END);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

RunFolder::~RunFolder() {
  if (fd_ >= 0) ::close(fd_);
}

void RunFolder::append(const Json& line) {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const off_t begin = ::lseek(fd_, 0, SEEK_CUR);
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(fd_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      if (begin >= 0 && ::ftruncate(fd_, begin) == 0) ::lseek(fd_, begin, SEEK_SET);  // no half line stays, whatever the caller does next
      throw IoError("[run folder] cannot write " + file("results.jsonl") + ": " + std::strerror(reason));
    }
    done += size_t(count);
  }
  results_.push_back(line);
}

bool run_folder_is_taken(const std::string& path) {
  const int fd = ::open((path + "/results.jsonl").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool taken = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return taken;
}

std::string to_csv(const std::vector<std::string>& columns, const Json& rows) {
  std::string out;
  for (size_t i = 0; i < columns.size(); ++i) out += (i ? "," : "") + columns[i];
  out += "\n";
  for (const auto& row : rows) {
    for (size_t i = 0; i < columns.size(); ++i) out += (i ? "," : "") + csv_cell(row.value(columns[i], Json()));
    out += "\n";
  }
  return out;
}

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char buffer[32];
  std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return buffer;
}

std::string hash_of_model(const std::string& folder, const std::string& tokenizer_file) {
  std::vector<std::string> names = {"config.json", tokenizer_file};
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string all;
  for (const auto& name : names) all += name + " " + sha256_hex_of_file(folder + "/" + name) + "\n";
  return sha256_hex(all);
}

}  // namespace fovea::experiments
