#include "pool/image_descriptors.hpp"

#include <algorithm>

#include "core/process.hpp"

namespace bullpen {
namespace {

bool is_in(const std::vector<int>& list, int fd) noexcept {
    return std::find(list.begin(), list.end(), fd) != list.end();
}

}  // namespace

ImageDescriptors::ImageDescriptors() : users_{list_descriptors()} {}

void ImageDescriptors::note_all() {
    all_ = list_descriptors();
}

bool ImageDescriptors::has(int fd) const noexcept {
    return is_in(all_, fd);
}

void ImageDescriptors::close_others() const noexcept {
    close_all_except(all_);
}

ImageDescriptors::Change::Change(ImageDescriptors& image) : image_{image}, before_{list_descriptors()} {}

void ImageDescriptors::Change::note_handlers() {
    with_handlers_ = list_descriptors();
}

void ImageDescriptors::Change::commit() {
    const std::vector<int> now = list_descriptors();
    std::erase_if(image_.users_, [&](int fd) { return !is_in(now, fd); });
    for (const int fd : with_handlers_)
        if (!is_in(before_, fd) && is_in(now, fd)) image_.users_.push_back(fd);
    std::erase_if(image_.all_, [&](int fd) { return !is_in(now, fd); });
    for (const int fd : now)
        if (!is_in(before_, fd) || is_in(taken_, fd)) image_.all_.push_back(fd);
}

}  // namespace bullpen
