// Files: whole reads, atomic writes, hashes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace fovea {

/// The whole file. Errors: IoError naming the path.
std::string read_file(const std::string& path);
/// Writes under a temporary name in the same folder, then renames: a reader never sees half a file. Errors: IoError.
void write_file_atomic(const std::string& path, std::string_view bytes);
/// Creates the folder with its parents and checks that a file can be made in it. Errors: IoError naming the path.
void make_writable_folder(const std::string& path);
/// Lower-case hex SHA-256 of bytes, and of a file read in pieces. Errors: IoError.
std::string sha256_hex(std::string_view bytes);
std::string sha256_hex_of_file(const std::string& path);

}  // namespace fovea
