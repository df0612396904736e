#include "pool/scoreboard.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <boost/interprocess/mapped_region.hpp>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <bullpen/clock.hpp>

namespace bullpen {
namespace {

namespace ipc = boost::interprocess;

/// The interface that Boost.Interprocess needs to map a descriptor.
struct MappableFd {
    int fd;
    [[nodiscard]] ipc::mapping_handle_t get_mapping_handle() const noexcept {
        return ipc::ipcdetail::mapping_handle_from_file_handle(fd);
    }
};

constexpr std::size_t head_size(std::uint32_t slots) noexcept {
    const std::size_t table = slots * sizeof(SlotEntry);
    return scoreboard_page + (table + scoreboard_page - 1) / scoreboard_page * scoreboard_page;
}

constexpr std::size_t series_at(SlotSizes sizes) noexcept {
    return sizeof(ScoreboardRow) + WorkerPages::size(sizes.depth);
}

constexpr std::size_t series_size(SlotSizes sizes) noexcept {
    return std::size_t{sizes.series_kib} * 1024;
}

constexpr std::size_t stride_of(SlotSizes sizes) noexcept {
    return series_at(sizes) + series_size(sizes);
}

constexpr std::size_t whole_size(std::uint32_t slots, SlotSizes sizes) noexcept {
    return head_size(slots) + slots * stride_of(sizes);
}

constexpr std::uint32_t whole_pages(std::uint32_t kib) noexcept {
    constexpr std::uint32_t page_kib = scoreboard_page / 1024;
    return (kib + page_kib - 1) / page_kib * page_kib;
}

template <typename Type>
Type* at(const ipc::mapped_region& region, std::size_t offset) noexcept {
    return reinterpret_cast<Type*>(static_cast<char*>(region.get_address()) + offset);
}

ipc::mapped_region map(int fd, ipc::mode_t mode, std::size_t size) {
    try {
        return {MappableFd{fd}, mode, 0, size};
    } catch (const ipc::interprocess_exception& error) {
        throw std::system_error{error.get_native_error(), std::generic_category(),
                                "cannot map the scoreboard"};
    }
}

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error{error, std::generic_category(), what};
}

}  // namespace

const char* name_of(ExitReason reason) noexcept {
    static constexpr const char* names[exit_reasons] = {
        "retired",  "start",         "exited",          "signal",  "descriptors",
        "replaced", "drain_timeout", "request_timeout", "stopped", "master"};
    return names[static_cast<std::size_t>(reason)];
}

struct Scoreboard::Mapping {
    ipc::mapped_region head;  ///< In the master: everything. In a worker: only the header, read-only.
    ipc::mapped_region row;   ///< In a worker: its rows.
};

Scoreboard::Scoreboard(std::uint32_t slots, std::uint32_t depth, std::uint32_t series_kib)
    : memory_{::memfd_create("bullpen-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING)},
      slots_{slots},
      sizes_{.depth = depth, .series_kib = whole_pages(series_kib)} {
    if (!memory_) fail(errno, "cannot create the scoreboard");
    const std::size_t size = whole_size(slots, sizes_);
    if (const int error = ::posix_fallocate(memory_.get(), 0, static_cast<off_t>(size)); error != 0)
        fail(error, "cannot allocate the scoreboard, " + std::to_string(size / 1024) +
                        " KiB in memory, for which the limit of a file's size (ulimit -f) holds, too");
    mapping_ = std::make_unique<Mapping>();
    mapping_->head = map(memory_.get(), ipc::read_write, size);
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    if (::fcntl(memory_.get(), F_ADD_SEALS, seals) != 0) fail(errno, "cannot seal the scoreboard");
    header().slots = slots;
    header().workers_max = slots;
    header().depth = 1;
    header().pages_depth = depth;
    header().series_kib = sizes_.series_kib;
    header().started_ns = monotonic_ns();
}

Scoreboard::~Scoreboard() = default;
Scoreboard::Scoreboard(Scoreboard&&) noexcept = default;

ScoreboardHeader& Scoreboard::header() noexcept {
    return *at<ScoreboardHeader>(mapping_->head, 0);
}

SlotEntry& Scoreboard::entry(std::uint32_t slot) noexcept {
    return at<SlotEntry>(mapping_->head, scoreboard_page)[slot];
}

ScoreboardRow& Scoreboard::row(std::uint32_t slot) noexcept {
    if (mapping_->row.get_address() != nullptr)
        return *at<ScoreboardRow>(mapping_->row, (slot - first_kept_) * row_stride());
    return *at<ScoreboardRow>(mapping_->head, head_size(slots_) + slot * row_stride());
}

void Scoreboard::remember(void* word, std::size_t size) noexcept {
    Undo& undo = undo_[0];
    const std::uint32_t count = undo.count.load(std::memory_order_relaxed);
    assert(count < Undo::most);
    if (count == Undo::most) return;
    Undo::Before& before = undo.words[count];
    before = {.word = word, .value = 0, .size = size};
    std::memcpy(&before.value, word, size);
    // Only the order of the stores counts: whoever reads them does so after this process's death.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    undo.count.store(count + 1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

void Scoreboard::commit() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    undo_[0].count.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

void Scoreboard::roll_back() noexcept {
    Undo& undo = undo_[0];
    for (std::uint32_t i = undo.count.load(std::memory_order_relaxed); i > 0; --i)
        std::memcpy(undo.words[i - 1].word, &undo.words[i - 1].value, undo.words[i - 1].size);
    commit();
    if (header().version.load(std::memory_order_relaxed) % 2 != 0) bump();
}

WorkerPages Scoreboard::pages(std::uint32_t slot) noexcept {
    return {&row(slot) + 1, sizes_.depth};
}

SeriesMemory Scoreboard::series(std::uint32_t slot) noexcept {
    return {reinterpret_cast<std::byte*>(&row(slot)) + series_at(sizes_), series_size(sizes_)};
}

std::size_t Scoreboard::row_stride() const noexcept {
    return stride_of(sizes_);
}

const ScoreboardRow& Scoreboard::row(std::uint32_t slot) const noexcept {
    return const_cast<Scoreboard*>(this)->row(slot);
}

void Scoreboard::keep_only(std::uint32_t slot, std::uint32_t count) {
    ipc::mapped_region header_only = map(memory_.get(), ipc::read_only, scoreboard_page);
    const std::size_t before = head_size(slots_) + slot * row_stride();
    const std::size_t after = (slots_ - slot - count) * row_stride();
    ipc::mapped_region own = std::move(mapping_->head);
    if ((before > 0 && !own.shrink_by(before, false)) || (after > 0 && !own.shrink_by(after, true)))
        fail(errno, "cannot give up the other rows of the scoreboard");
    mapping_->row = std::move(own);
    first_kept_ = slot;
    mapping_->head = std::move(header_only);
    memory_.reset();
}

struct ScoreboardReader::Mapping {
    ipc::mapped_region all;
};

namespace {

SlotSizes sizes_in(int memory) {
    const ipc::mapped_region region = map(memory, ipc::read_only, scoreboard_page);
    const auto& header = *at<const ScoreboardHeader>(region, 0);
    return {.depth = header.pages_depth, .series_kib = header.series_kib};
}

}  // namespace

ScoreboardReader::ScoreboardReader(int memory, std::uint32_t slots)
    : slots_{slots},
      sizes_{sizes_in(memory)},
      mapping_{new Mapping{map(memory, ipc::read_only, whole_size(slots, sizes_))}} {}

ScoreboardReader::~ScoreboardReader() = default;
ScoreboardReader::ScoreboardReader(ScoreboardReader&&) noexcept = default;

const ScoreboardHeader& ScoreboardReader::header() const noexcept {
    return *at<const ScoreboardHeader>(mapping_->all, 0);
}

const SlotEntry& ScoreboardReader::entry(std::uint32_t slot) const noexcept {
    return at<const SlotEntry>(mapping_->all, scoreboard_page)[slot];
}

const ScoreboardRow& ScoreboardReader::row(std::uint32_t slot) const noexcept {
    return *at<const ScoreboardRow>(mapping_->all, head_size(slots_) + slot * stride_of(sizes_));
}

SeriesReading ScoreboardReader::series(std::uint32_t slot) const {
    const std::size_t place = head_size(slots_) + slot * stride_of(sizes_) + series_at(sizes_);
    return SeriesMemory{at<std::byte>(mapping_->all, place), series_size(sizes_)}.read();
}

}  // namespace bullpen
