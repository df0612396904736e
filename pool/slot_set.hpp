/// A set of slots that finds its lowest member fast.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bullpen {

/// A bitmap: 1,000 slots take 16 words. Private to the master.
class SlotSet {
public:
    explicit SlotSet(std::uint32_t slots) : words_((slots + 63) / 64) {}

    void insert(std::uint32_t slot) noexcept {
        if (!contains(slot)) ++size_;
        words_[slot / 64] |= bit(slot);
    }
    void erase(std::uint32_t slot) noexcept {
        if (contains(slot)) --size_;
        words_[slot / 64] &= ~bit(slot);
    }
    void set(std::uint32_t slot, bool member) noexcept { member ? insert(slot) : erase(slot); }
    [[nodiscard]] bool contains(std::uint32_t slot) const noexcept {
        return (words_[slot / 64] & bit(slot)) != 0;
    }
    [[nodiscard]] int size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    [[nodiscard]] std::optional<std::uint32_t> lowest() const noexcept {
        for (std::size_t i = 0; i < words_.size(); ++i)
            if (words_[i] != 0) return static_cast<std::uint32_t>(i * 64) + trailing(words_[i]);
        return std::nullopt;
    }

    /// The lowest member for which holds(slot) returns true.
    template <typename Predicate>
    [[nodiscard]] std::optional<std::uint32_t> find_if(Predicate holds) const {
        for (std::size_t i = 0; i < words_.size(); ++i)
            for (std::uint64_t left = words_[i]; left != 0; left &= left - 1)
                if (const auto slot = static_cast<std::uint32_t>(i * 64) + trailing(left); holds(slot))
                    return slot;
        return std::nullopt;
    }

    /// Calls visit(slot) for each member, lowest first. The visitor may erase that slot.
    template <typename Visit>
    void for_each(Visit visit) const {
        for (std::size_t i = 0; i < words_.size(); ++i)
            for (std::uint64_t left = words_[i]; left != 0; left &= left - 1)
                visit(static_cast<std::uint32_t>(i * 64) + trailing(left));
    }

private:
    static constexpr std::uint64_t bit(std::uint32_t slot) noexcept {
        return std::uint64_t{1} << (slot % 64);
    }
    static constexpr std::uint32_t trailing(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(std::countr_zero(word));
    }

    std::vector<std::uint64_t> words_;
    int size_ = 0;
};

}  // namespace bullpen
