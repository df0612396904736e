#include "servers/bench/report/report.hpp"

#include <algorithm>
#include <vector>

#include "servers/bench/compare/contest.hpp"
#include "servers/bench/compare/design.hpp"
#include "servers/bench/compare/remarks.hpp"
#include "servers/bench/compare/verdict.hpp"
#include "servers/bench/report/html.hpp"
#include "servers/bench/report/plot_bars.hpp"
#include "servers/bench/report/plot_idle.hpp"
#include "servers/bench/report/plot_latency.hpp"
#include "servers/bench/report/plot_workers.hpp"
#include "servers/bench/report/report_style.hpp"
#include "servers/bench/report/report_tables.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

std::vector<std::string> models_of(const Comparison& comparison) {
    std::vector<std::string> names;
    for (const WorkloadResult& result : comparison.workloads)
        for (const Measurement& m : result.measurements)
            if (std::find(names.begin(), names.end(), m.model) == names.end()) names.push_back(m.model);
    return names;
}

bool are_transports(const Comparison& comparison) {
    return !comparison.workloads.empty() && compares_transports(comparison.workloads.front().workload);
}

template <typename Count>
std::string counted(Count count, const std::string& noun) {
    return grouped(static_cast<std::int64_t>(count)) + " " + noun + (count == 1 ? "" : "s");
}

std::string title_of(const Comparison& comparison) {
    if (are_transports(comparison))
        return "An echo over " + counted(models_of(comparison).size(), "transport");
    const std::string designs = counted(models_of(comparison).size(), "server design");
    if (comparison.workloads.size() == 1)
        return designs + " under the load “" + comparison.workloads.front().workload.name + "”";
    return designs + " under " + counted(comparison.workloads.size(), "load");
}

void head(Html& html, const Comparison& comparison) {
    html.open("head");
    html.raw("<meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.raw("<link rel=\"icon\" href=\"data:,\">");
    html.raw("<meta name=\"description\" content=\"" + escaped(verdict_on(comparison)) + "\">");
    html.element("title", {}, title_of(comparison) + " – bullpen compare");
    html.open("style").raw(report_style).close();
    html.close();
}

void fact(Html& html, const std::string& name, const std::string& value) {
    html.open("div").element("dt", {}, name).element("dd", {}, value).close();
}

void facts(Html& html, const Comparison& comparison) {
    const Machine& machine = comparison.machine;
    html.open("dl", {{"class", "facts"}});
    fact(html, "Measured", comparison.began);
    fact(html, "Machine",
         counted(machine.cpus, "CPU") + (machine.processor.empty() ? "" : ", " + machine.processor) + ", " +
             grouped(machine.memory_mib) + " MiB");
    fact(html, "Kernel", machine.kernel);
    fact(html, "Runs",
         (comparison.repeat == 1 ? "one" : grouped(comparison.repeat)) + " of each " +
             (are_transports(comparison) ? "transport" : "model") + ", in turn; pools of " +
             counted(comparison.workers, "worker"));
    html.close();
    html.element("p", {}, "To repeat it with bullpen " + comparison.version + ":");
    html.open("pre").element("code", {}, comparison.command).close();
}

void header(Html& html, const Comparison& comparison) {
    html.open("header");
    html.element("h1", {}, title_of(comparison));
    html.element("p", {{"class", "verdict"}}, verdict_on(comparison));
    facts(html, comparison);
    if (comparison.interrupted)
        html.element("p", {}, "The measurement was interrupted: this is what was finished.");
    if (comparison.workloads.size() > 1) {
        html.element("h3", {}, "At a glance");
        glance_table(html, comparison);
    }
    plot_idle(html, comparison);
    html.close();
}

void list(Html& html, const std::string& style, const std::vector<std::string>& sentences) {
    html.open("ul", {{"class", style}});
    for (const std::string& sentence : sentences)
        html.element("li", {}, sentence);
    html.close();
}

void section(Html& html, const WorkloadResult& result, const Comparison& comparison) {
    const Workload& workload = result.workload;
    html.open("section", {{"id", workload.name}});
    html.element("h2", {}, workload.name + summary_of(workload));
    html.element("p", {{"class", "setup"}}, describe(workload) + ".");
    list(html, "findings", verdict_on(result, comparison.machine));
    if (!result.measured().empty()) {
        const Contest contest = judge(result, comparison.machine);
        html.open("div", {{"class", "plots"}});
        plot_throughput(html, result, contest);
        plot_cpu(html, result, contest);
        plot_latency(html, result);
        if (!compares_transports(workload)) plot_workers(html, result);
        plot_memory(html, result, contest);
        html.close();
        html.element("h3", {}, "The numbers");
        speed_table(html, result, contest);
        resource_table(html, result, contest);
        datagram_table(html, result);
        full_buffer_table(html, result);
    }
    list(html, "remarks", remarks(result, comparison));
    html.close();
}

std::string about(const std::string& name) {
    for (const Transport& transport : transports())
        if (transport.name == name) return std::string{transport.summary} + ".";
    for (const Design& design : designs())
        if (design.name == name)
            return design.summary + "." +
                   (design.choose_when.empty() ? "" : " Choose it when " + design.choose_when + ".");
    return "Not known to this version.";
}

void list_designs(Html& html, const Comparison& comparison) {
    html.element("h3", {}, are_transports(comparison) ? "The transports" : "The designs");
    html.open("dl", {{"class", "models"}});
    for (const std::string& name : models_of(comparison)) {
        html.element("dt", {}, name);
        html.element("dd", {}, about(name));
    }
    html.close();
}

void reading(Html& html, const Comparison& comparison) {
    html.open("section", {{"id", "reading"}});
    html.element("h2", {}, "How it was measured, and how to read it");
    html.element(
        "p", {},
        "Each run started a server of its own, warmed it up, and sent it the load from one client on "
        "the same machine. Runs were made in turn (A B C A B C …), so that what changed on the machine "
        "meanwhile met all of them.");
    for (const std::string& help : reading_help(comparison))
        html.element("p", {}, help);
    html.element(
        "p", {},
        "In the plots a bar is the median, and the whisker on it reaches from the least to the greatest "
        "run. The number before a name is its rank among those measured. The lines of the latency plot are "
        "medians of the "
        "runs, point by point; they end where fewer than ten requests of a run lie beyond.");
    list_designs(html, comparison);
    html.close();
}

}  // namespace

std::string render_report(const Comparison& comparison) {
    Html html;
    html.raw("<!doctype html>\n");
    html.open("html", {{"lang", "en"}});
    head(html, comparison);
    html.open("body");
    header(html, comparison);
    html.open("main");
    for (const WorkloadResult& result : comparison.workloads)
        section(html, result, comparison);
    reading(html, comparison);
    html.close().close().close();
    return html.take() + "\n";
}

}  // namespace bullpen
