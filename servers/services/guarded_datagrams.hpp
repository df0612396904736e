/// Answers to datagrams that nobody can turn against others: the sender's address may be forged.
#pragma once

#include <memory>

#include <bullpen/address.hpp>
#include <bullpen/datagram_handler.hpp>
#include "pool/source_rates.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

/// How many answers that are longer than their questions go to a source, counted by all workers of a pool
/// together, in memory that they share.
class LongAnswers {
public:
    LongAnswers();  ///< Throws std::system_error.

    /// Counts one more, if that may go.
    [[nodiscard]] bool may_go_to(const Address& sender) noexcept;

private:
    SourceRates rates_;
};

/// No answer goes to the port of another service (below 1024, 2049, or the one that was asked), which might
/// answer for ever (CVE-1999-0103). One that is longer than its question is given to each source 4 times a
/// second at most. The others are refused. The handler is for one worker.
DatagramHandler guarded(DatagramAnswer answer, std::shared_ptr<LongAnswers> long_answers);

}  // namespace bullpen
