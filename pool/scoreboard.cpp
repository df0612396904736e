#include "pool/scoreboard.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <system_error>

namespace bullpen {
namespace {

namespace ipc = boost::interprocess;

/// What Boost.Interprocess asks of something that can be mapped.
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

constexpr std::size_t whole_size(std::uint32_t slots) noexcept {
    return head_size(slots) + slots * sizeof(ScoreboardRow);
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

[[noreturn]] void fail(int error, const char* what) {
    throw std::system_error{error, std::generic_category(), what};
}

}  // namespace

const char* name_of(ExitReason reason) noexcept {
    static constexpr const char* names[exit_reasons] = {"retired",       "start",          "exited",
                                                        "signal",        "descriptors",    "replaced",
                                                        "drain_timeout", "request_timeout"};
    return names[static_cast<std::size_t>(reason)];
}

struct Scoreboard::Mapping {
    ipc::mapped_region head;  ///< In the master: all. In a worker: the header alone, read-only.
    ipc::mapped_region row;   ///< In a worker: its rows.
};

Scoreboard::Scoreboard(std::uint32_t slots)
    : memory_{::memfd_create("bullpen-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING)}, slots_{slots} {
    if (!memory_) fail(errno, "cannot create the scoreboard");
    if (const int error = ::posix_fallocate(memory_.get(), 0, static_cast<off_t>(whole_size(slots)));
        error != 0)
        fail(error, "cannot allocate the scoreboard");
    mapping_ = std::make_unique<Mapping>();
    mapping_->head = map(memory_.get(), ipc::read_write, whole_size(slots));
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    if (::fcntl(memory_.get(), F_ADD_SEALS, seals) != 0) fail(errno, "cannot seal the scoreboard");
    header().slots = slots;
    header().depth = 1;
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
        return at<ScoreboardRow>(mapping_->row, 0)[slot - first_kept_];
    return at<ScoreboardRow>(mapping_->head, head_size(slots_))[slot];
}

const ScoreboardRow& Scoreboard::row(std::uint32_t slot) const noexcept {
    return const_cast<Scoreboard*>(this)->row(slot);
}

void Scoreboard::keep_only(std::uint32_t slot, std::uint32_t count) {
    ipc::mapped_region header_only = map(memory_.get(), ipc::read_only, scoreboard_page);
    const std::size_t before = head_size(slots_) + slot * sizeof(ScoreboardRow);
    const std::size_t after = (slots_ - slot - count) * sizeof(ScoreboardRow);
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

ScoreboardReader::ScoreboardReader(int memory, std::uint32_t slots)
    : slots_{slots}, mapping_{new Mapping{map(memory, ipc::read_only, whole_size(slots))}} {}

ScoreboardReader::~ScoreboardReader() = default;
ScoreboardReader::ScoreboardReader(ScoreboardReader&&) noexcept = default;

const ScoreboardHeader& ScoreboardReader::header() const noexcept {
    return *at<const ScoreboardHeader>(mapping_->all, 0);
}

const SlotEntry& ScoreboardReader::entry(std::uint32_t slot) const noexcept {
    return at<const SlotEntry>(mapping_->all, scoreboard_page)[slot];
}

const ScoreboardRow& ScoreboardReader::row(std::uint32_t slot) const noexcept {
    return at<const ScoreboardRow>(mapping_->all, head_size(slots_))[slot];
}

std::int64_t PoolTotals::unaccounted() const noexcept {
    std::uint64_t ended = completed + failed + client_aborted + refused + lost;
    for (const std::uint64_t limit : timed_out)
        ended += limit;
    return static_cast<std::int64_t>(accepted - ended - parked - queued - begun);
}

PoolTotals total(const ScoreboardReader& board) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    const ScoreboardHeader& header = board.header();
    PoolTotals sum;
    sum.accepted = header.accepted.load(relaxed);
    sum.queued = header.held.load(relaxed);
    sum.parked = header.parked.load(relaxed);
    sum.completed = header.completed.load(relaxed);
    sum.client_aborted = header.client_aborted.load(relaxed);
    for (std::size_t limit = 0; limit < limits_count; ++limit)
        sum.timed_out[limit] = header.timed_out[limit].load(relaxed);
    for (const SharedCounter& refused : header.refused)
        sum.refused += refused.load(relaxed);
    for (const SharedCounter& lost : header.lost)
        sum.lost += lost.load(relaxed);
    const bool hands_off = header.hands_off.load(relaxed) != 0;
    const std::uint64_t depth = std::max(1U, header.depth.load(relaxed));
    for (std::uint32_t slot = 0; slot < board.slots(); ++slot) {
        const ScoreboardRow& row = board.row(slot);
        const std::uint64_t finished =
            row.finished.load(relaxed) + row.returned.load(relaxed) + row.lost.load(relaxed);
        const std::uint64_t begun = row.begun.load(relaxed);
        const std::uint64_t handed = board.entry(slot).handed.load(relaxed);
        const bool busy = hands_off ? handed > finished : begun > finished;
        sum.accepted += row.accepted.load(relaxed);
        sum.completed += row.completed.load(relaxed);
        sum.failed += row.failed.load(relaxed);
        sum.client_aborted += row.client_aborted.load(relaxed);
        sum.refused += row.refused.load(relaxed);
        for (std::size_t limit = 0; limit < limits_count; ++limit)
            sum.timed_out[limit] += row.timed_out[limit].load(relaxed);
        // A worker has no more connections than its depth; a broken one may have written so.
        const std::uint64_t in_handler = begun > finished ? std::min(begun - finished, depth) : 0;
        sum.begun += in_handler;
        if (hands_off && handed > begun) sum.queued += std::min(handed - begun, depth - in_handler);
        switch (static_cast<Stage>(board.entry(slot).stage.load(relaxed))) {
            case Stage::starting: ++sum.starting; break;
            case Stage::ready:
                if (busy)
                    ++sum.busy;
                else if (hands_off ||
                         row.activity.load(relaxed) != static_cast<std::uint32_t>(Activity::absent))
                    ++sum.idle;
                break;
            case Stage::draining: ++sum.draining; break;
            case Stage::vacant: break;
        }
    }
    return sum;
}

}  // namespace bullpen
