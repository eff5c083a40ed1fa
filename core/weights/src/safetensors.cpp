#include "fovea/weights/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

namespace fovea::weights {
namespace {

using HeaderJson = nlohmann::json;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's bound

struct DtypeName {
  const char* name;
  torch::ScalarType dtype;
};
const DtypeName kDtypes[] = {{"BF16", torch::kBFloat16}, {"F16", torch::kFloat16}, {"F32", torch::kFloat32},
                             {"F64", torch::kFloat64},   {"I64", torch::kInt64},   {"I32", torch::kInt32},
                             {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
                             {"BOOL", torch::kBool}};

/// A value as an error message shows it: bounded, whatever the file holds.
std::string show(const HeaderJson& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, HeaderJson::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 80) + "...";
  return text;
}
std::string show_name(const std::string& name) { return show(HeaderJson(name)); }

}  // namespace

std::string safetensors_dtype_name(torch::ScalarType dtype) {
  for (const auto& known : kDtypes)
    if (known.dtype == dtype) return known.name;
  return "";
}

std::string shape_to_string(at::IntArrayRef shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out.append(i ? ", " : "").append(std::to_string(shape[i]));
  return out + "]";
}

struct SafetensorsFile::Mapping {
  char* data = nullptr;
  size_t size = 0;
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data) ::munmap(data, size);
  }
};

void SafetensorsFile::fail(const std::string& what) const { throw WeightsError("[safetensors] " + path_ + ": " + what); }

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path), mapping_(std::make_shared<Mapping>()) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto io_error = [&](const char* verb) {
    const std::string reason = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    throw IoError(std::string("[safetensors] cannot ") + verb + " " + path + ": " + reason);
  };
  if (fd < 0) io_error("open");
  struct stat info {};
  if (::fstat(fd, &info) != 0) io_error("examine");
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    throw IoError("[safetensors] " + path + " is not a regular file");
  }
  mapping_->size = static_cast<size_t>(info.st_size);
  if (mapping_->size > 0) {
    // Private and writable: an in-place operation on a tensor costs a page copy instead of a crash.
    void* data = ::mmap(nullptr, mapping_->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (data == MAP_FAILED) io_error("map");
    mapping_->data = static_cast<char*>(data);
  }
  ::close(fd);
  read_header();
}

void SafetensorsFile::read_header() {
  const uint64_t file_size = mapping_->size;
  if (file_size < 8) fail("must hold at least the 8 bytes of the header length, got " + std::to_string(file_size));
  uint64_t header_size = 0;
  for (int i = 7; i >= 0; --i) header_size = header_size << 8 | static_cast<unsigned char>(mapping_->data[i]);
  if (header_size > kMaxHeaderBytes)
    fail("header length must be at most " + std::to_string(kMaxHeaderBytes) + ", got " + std::to_string(header_size));
  if (header_size > file_size - 8)
    fail("header length must fit into the file's " + std::to_string(file_size) + " bytes, got " +
         std::to_string(header_size) + "; the file ends early");
  const uint64_t data_start = 8 + header_size, data_size = file_size - data_start;

  // JSON libraries keep the last of two equal keys, so equal names have to be caught while parsing.
  std::vector<std::set<std::string>> keys;
  const auto on_event = [&](int, HeaderJson::parse_event_t event, HeaderJson& parsed) {
    if (event == HeaderJson::parse_event_t::object_start) keys.emplace_back();
    if (event == HeaderJson::parse_event_t::object_end) keys.pop_back();
    if (event == HeaderJson::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      fail("header names " + show(parsed) + " twice");
    return true;
  };
  HeaderJson header;
  const char* text = mapping_->data + 8;
  try {
    header = HeaderJson::parse(text, text + header_size, on_event);
  } catch (const HeaderJson::exception& e) {
    fail(std::string("header is not JSON: ") + e.what());
  }
  if (!header.is_object()) fail("header must be a JSON object, got " + show(header));

  struct Span {
    uint64_t begin, end;
    TensorEntry entry;
  };
  std::vector<Span> spans;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) fail("__metadata__ must be an object of strings, got " + show(value));
      for (const auto& [key, text_value] : value.items()) {
        if (!text_value.is_string()) fail("__metadata__ " + show_name(key) + " must be a string, got " + show(text_value));
        metadata_[key] = text_value.get<std::string>();
      }
      continue;
    }
    const std::string where = "tensor " + show_name(name) + " ";
    if (!value.is_object()) fail(where + "must be an object, got " + show(value));
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!value.contains(key)) fail(where + "lacks \"" + key + "\", got " + show(value));
    Span span;
    span.entry.name = name;
    span.entry.file = path_;

    const auto& dtype = value["dtype"];
    bool known = false;
    for (const auto& candidate : kDtypes)
      if (dtype.is_string() && dtype.get_ref<const std::string&>() == candidate.name)
        span.entry.dtype = candidate.dtype, known = true;
    if (!known) fail(where + "dtype must be one of BF16 F16 F32 F64 I64 I32 I16 I8 U8 BOOL, got " + show(dtype));

    const auto& shape = value["shape"];
    if (!shape.is_array()) fail(where + "shape must be a list, got " + show(shape));
    constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
    const uint64_t item_size = c10::elementSize(span.entry.dtype);
    uint64_t num_bytes = item_size;
    bool empty = false;
    for (const auto& size : shape) {  // a number that does not fit 64 bits was parsed as floating
      if (!size.is_number_unsigned() || size.get<uint64_t>() > kMax)
        fail(where + "shape must hold whole numbers from 0 to 2^63-1, got " + show(shape));
      span.entry.shape.push_back(static_cast<int64_t>(size.get<uint64_t>()));
      empty = empty || size.get<uint64_t>() == 0;
    }
    for (int64_t size : span.entry.shape) {  // sizes of an empty tensor are bounded too: strides are made of them
      const uint64_t factor = std::max<uint64_t>(1, static_cast<uint64_t>(size));
      if (num_bytes > kMax / factor) fail(where + "shape must not overflow 64 bits, got " + show(shape));
      num_bytes *= factor;
    }
    if (empty) num_bytes = 0;
    span.entry.num_bytes = static_cast<int64_t>(num_bytes);

    const auto& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      fail(where + "data_offsets must be two whole numbers, got " + show(offsets));
    span.begin = offsets[0].get<uint64_t>();
    span.end = offsets[1].get<uint64_t>();
    if (span.begin > span.end) fail(where + "data_offsets must not run backwards, got " + show(offsets));
    if (span.end > data_size)
      fail(where + "data_offsets must end within the file's " + std::to_string(data_size) + " bytes of data, got " +
           show(offsets) + "; the file ends early or its header lies");
    if (span.end - span.begin != num_bytes)
      fail(where + "data_offsets must span the " + std::to_string(num_bytes) + " bytes of " + show(dtype) + " " +
           show(shape) + ", got " + show(offsets));
    spans.push_back(std::move(span));
  }
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::tie(a.begin, a.end, a.entry.name) < std::tie(b.begin, b.end, b.entry.name);
  });
  uint64_t end = 0;
  for (auto& span : spans) {
    if (span.begin != end)
      fail("tensor " + show_name(span.entry.name) + " data_offsets must begin where the tensor before it ends (" +
           std::to_string(end) + "), got " + std::to_string(span.begin) + (span.begin < end ? ": they overlap" : ": a gap"));
    end = span.end;
    offsets_.push_back(static_cast<int64_t>(data_start + span.begin));
    index_[span.entry.name] = entries_.size();
    entries_.push_back(std::move(span.entry));
  }
  if (end != data_size)
    fail("tensors must fill the file's " + std::to_string(data_size) + " bytes of data, got " + std::to_string(end));
}

const TensorEntry& SafetensorsFile::entry(const std::string& name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) fail("holds no tensor " + show_name(name));
  return entries_[it->second];
}

torch::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const TensorEntry& found = entry(name);
  const auto options = torch::TensorOptions().dtype(found.dtype);
  if (found.num_bytes == 0) return torch::empty(found.shape, options);
  char* data = mapping_->data + offsets_[index_.at(name)];
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(found.dtype) != 0) {
    auto copy = torch::empty(found.shape, options);
    std::memcpy(copy.data_ptr(), data, static_cast<size_t>(found.num_bytes));
    return copy;
  }
  return torch::from_blob(data, found.shape, [keep = mapping_](void*) {}, options);
}

void SafetensorsFile::release(const std::string& name) const {
  const TensorEntry& found = entry(name);
  if (found.num_bytes == 0) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(mapping_->data) + static_cast<uintptr_t>(offsets_[index_.at(name)]);
  const uintptr_t first = (begin + page - 1) / page * page, end = (begin + static_cast<uintptr_t>(found.num_bytes)) / page * page;
  if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

}  // namespace fovea::weights
