#include "servers/bench/report/plot_row.hpp"

namespace bullpen {

void open_figure(Html& html, const std::string& kind, const std::string& title, const std::string& how) {
    html.open("figure", {{"class", "rows " + kind}});
    html.open("figcaption").element("strong", {}, title).text(" " + how).close();
}

void open_row(Html& html, const RowText& text) {
    const std::string label = text.name + ": " + text.value + ", " + text.remark;
    html.open("div", {{"class", "row"}}).open("span", {{"class", "name"}});
    if (!text.rank.empty())
        html.element("span", {{"class", "rank"}, {"title", "rank " + text.rank}}, text.rank);
    html.text(text.name).close();
    html.open("svg", {{"role", "img"}, {"data-model", text.name}, {"aria-label", label}});
    html.element("title", {}, label);
}

void close_row(Html& html, const RowText& text) {
    html.close();
    html.open("span", {{"class", "value"}}).text(text.value + " ");
    html.element("small", {}, text.remark).close().close();
}

}  // namespace bullpen
