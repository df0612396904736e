/// Memory that a process shares with the processes that it clones.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <type_traits>
#include <utility>

namespace bullpen {

/// Elements of zeros, at the same address in each process that inherits them. Pages that nobody has written
/// take no memory. An element must be plain data of which zeros are a valid value.
template <typename Element>
class SharedArray {
    static_assert(std::is_trivially_destructible_v<Element>);

public:
    SharedArray() = default;
    /// Throws std::system_error.
    explicit SharedArray(std::size_t size) : size_{size} {
        if (size == 0) return;
        void* const memory = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            throw std::system_error{errno, std::generic_category(), "cannot map shared memory"};
        first_ = static_cast<Element*>(memory);
    }
    SharedArray(SharedArray&& other) noexcept
        : first_{std::exchange(other.first_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
    SharedArray& operator=(SharedArray&& other) noexcept {
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~SharedArray() {
        if (first_ != nullptr) ::munmap(first_, bytes());
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] Element& operator[](std::size_t index) noexcept { return first_[index]; }
    [[nodiscard]] const Element& operator[](std::size_t index) const noexcept { return first_[index]; }
    [[nodiscard]] Element* begin() noexcept { return first_; }
    [[nodiscard]] Element* end() noexcept { return first_ + size_; }
    [[nodiscard]] const Element* begin() const noexcept { return first_; }
    [[nodiscard]] const Element* end() const noexcept { return first_ + size_; }

    /// From here on children of this process don't get the memory: they must not touch it.
    void keep_from_children() noexcept {
        if (first_ != nullptr) ::madvise(first_, bytes(), MADV_DONTFORK);
    }
    /// From here on they do.
    void give_to_children() noexcept {
        if (first_ != nullptr) ::madvise(first_, bytes(), MADV_DOFORK);
    }

private:
    [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(Element); }

    Element* first_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace bullpen
