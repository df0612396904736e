#include "servers/services/file_cache.hpp"

#include <iterator>
#include <utility>

namespace bullpen::http {

std::size_t FileCache::Entry::bytes() const noexcept {
    return path.size() + file->contents.size() + file->headers.size();
}

FileCache::Found FileCache::find(std::string_view path, TimePoint now) const {
    const std::lock_guard lock{mutex_};
    const auto found = by_path_.find(path);
    if (found == by_path_.end()) return {};
    return {.file = found->second->file, .trusted = now - found->second->seen < limits_.lifetime};
}

void FileCache::renew(std::string_view path, TimePoint now) {
    if (limits_.lifetime.count() == 0) return;
    const std::lock_guard lock{mutex_};
    const auto found = by_path_.find(path);
    if (found == by_path_.end()) return;
    found->second->seen = now;
    by_age_.splice(by_age_.end(), by_age_, found->second);
}

void FileCache::keep(std::string_view path, std::shared_ptr<const KeptFile> file, TimePoint now,
                     std::uint64_t epoch) {
    Entries entry;
    entry.push_back({.path = std::string{path}, .file = std::move(file), .seen = now});
    const std::size_t size = entry.front().bytes();

    const std::lock_guard lock{mutex_};
    if (epoch != epoch_) return;
    if (const auto old = by_path_.find(path); old != by_path_.end()) drop(old->second);
    if (size > limits_.bytes_max || limits_.files_max == 0) return;
    while (by_age_.size() >= limits_.files_max || bytes_ + size > limits_.bytes_max)
        drop(by_age_.begin());
    by_age_.splice(by_age_.end(), entry);
    by_path_.emplace(by_age_.back().path, std::prev(by_age_.end()));
    bytes_ += size;
}

void FileCache::clear() {
    const std::lock_guard lock{mutex_};
    by_path_.clear();
    by_age_.clear();
    bytes_ = 0;
    ++epoch_;
}

void FileCache::drop(Entries::iterator entry) {
    bytes_ -= entry->bytes();
    by_path_.erase(entry->path);
    by_age_.erase(entry);
}

}  // namespace bullpen::http
