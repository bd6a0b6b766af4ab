// What lines of many formats are made of, for random texts.
#pragma once
#include <string>
#include <vector>

inline const std::vector<std::string> kParts = {
    std::string(300, ' '), "\n     \n     \n     \n     \n     \n     \n     \n     \n     \n  ",
    "a", "The fee", " ", " ", "\n", "\n", "\n\n", "\t", "    ", ". ", "! ", "?", "...", "\"", "'",
    "(", ")", "[", "]", "{", "}", "{\"a\": 1}", "[1, 2]", ",", ";", ":", ":\n", "::\n\n", "#", "# ",
    "## ", "- ", "* ", "1. ", "2. ", "9.2 ", "(a) ", "|", "| a | b |\n", "--|--\n", "+--+--+\n",
    "+==+==+\n", "=== ===\n", "```\n", "```py\n", "~~~\n", "---", "===\n", "x = 1", "def f(x):\n",
    "return x", "User: ", "Ann Lee: ", "e.g. ", "Mr. ", "B.V. ", "J. ", "key: ", "key = ",
    "\"key\": {\n", "[part]\n", "<table>", "<tr>", "<th>", "<td>", "</table>", "</a>", "<a>\n",
    ".. note:: ", ".. code-block:: c\n", ".. f::\n", ":param x: y\n", "-a, --all\n", ">>> f()\n",
    "a,b,1\n", "a\tb\n", "INSERT INTO t", "2024-05-01 12:00 ", "step 1", "Do not ", "\xC2\xBB",
    "\xC2\xA0", "\xE2\x80\x9D", "\xE3\x80\x82", "\xE3\x80\x80", "\xEF\xBC\x8E", "\xE0\xB8\x81",
    "\xCC\x81", "\xF0\x9F\x87\xA6", "\xF0\x9F\x8E\x89", "\xE2\x80\x8D", "\xED\xA0\xBD",
    "\xED\xB8\x80", "\r", "\r\n", "\\", "//", "\xEF\xBB\xBF",
    "       --all\n\t   ", "       ", "\t   ",
    "version 1.2 - 2024-05-01\n\n", "* Changes in 1.2\n", "** Bug fixes\n\n",
    "gzip (1.2-3) sid; urgency=low\n\n", " -- A <a@b>  Tue\n", "2024-05-01  A  <a@b>\n\n",
    "diff --git a/x b/x\n", "--- a/x\n+++ b/x\n", "@@ -1,2 +1,3 @@ f\n", "+a();\n", "-b\n", " c\n",
    "rename to x\n", "NAME  SIZE  AGE\n", "a     12   3d\n", "a,b,c,d\n", "1,2\n",
    "\n\n    $ run x.y\n    * a\n", "run,\n\n", "No. ", "names only. ", "##\n", "    return None\n\n",
    "Is it red?\n\n", "\n\n1. Why?\n\n", "Q: ", "A: ", "**Why?**\n\n",
    "\n\n2. Term\n\n", "\xC2\xA7 3 Rent\n", "if the following.\n", "; and\n"};
