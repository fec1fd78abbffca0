#include "cli/manual.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/version.h"

/* ---- the manual page ----------------------------------------------------------------------- */

/* Text as roff wants it: a hyphen that is typed is \-, a line may not begin with . or '. */
static void roff(FILE *to, const char *s)
{
    bool at_start = true;
    for (; *s; s++) {
        if (at_start && (*s == '.' || *s == '\'')) fputs("\\&", to);
        at_start = *s == '\n';
        if (*s == '\\')
            fputs("\\e", to);
        else if (*s == '-')
            fputs("\\-", to);
        else
            fputc(*s, to);
    }
}

/* A paragraph; its lines that begin with blanks are examples and keep their breaks. */
static void roff_text(FILE *to, const char *s)
{
    bool is_example = false;
    while (*s) {
        size_t n = strcspn(s, "\n");
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)(n < sizeof line ? n : sizeof line - 1), s);
        if ((line[0] == ' ') != is_example) {
            is_example = !is_example;
            fputs(is_example ? ".PP\n.nf\n" : ".fi\n.PP\n", to);
        }
        roff(to, line);
        fputc('\n', to);
        s += n + (s[n] == '\n');
    }
    if (is_example) fputs(".fi\n", to);
}

static void roff_opts(FILE *to, const struct opt *table)
{
    for (const struct opt *o = table; o->type != OPT_END; o++) {
        fputs(".TP\n\\fB", to);
        if (o->letter) fprintf(to, "\\-%c\\fR, \\fB", o->letter);
        fputs("\\-\\-", to);
        roff(to, o->name);
        fputs("\\fR", to);
        if (o->arg) {
            fputs(" \\fI", to);
            roff(to, o->arg);
            fputs("\\fR", to);
        }
        fputc('\n', to);
        roff(to, o->help);
        fputc('\n', to);
    }
}

void manual_print_page(FILE *to, const struct opt *common)
{
    fprintf(to, ".TH TARN 1 \"\" \"tarn %s\" \"User Commands\"\n", version_text());
    fputs(".SH NAME\ntarn \\- run, train, teach and serve reasoning models on ordinary CPUs\n"
          ".SH SYNOPSIS\n.B tarn\n\\fICOMMAND\\fR [\\fIarguments\\fR] [\\fIoptions\\fR]\n"
          ".SH DESCRIPTION\n"
          "A MODEL is a .gguf file, a directory in Hugging Face layout, a training checkpoint, "
          "or a name that \\fBtarn list\\fR shows.\n"
          "Standard output carries only the product; everything else goes to standard error.\n"
          ".SH OPTIONS OF EVERY COMMAND\n",
          to);
    roff_opts(to, common);
    fputs(".SH COMMANDS\n", to);
    for (const struct command *const *c = commands; *c; c++) {
        fputs(".SS tarn ", to);
        roff(to, (*c)->verb);
        fputc(' ', to);
        roff(to, (*c)->args);
        fputc('\n', to);
        roff(to, (*c)->summary);
        fputc('\n', to);
        if ((*c)->details) {
            fputs(".PP\n", to);
            roff_text(to, (*c)->details);
        }
        for (const struct opt *const *t = (*c)->opts; t && *t; t++) roff_opts(to, *t);
    }
    fputs(".SH ENVIRONMENT\n"
          ".TP\n\\fBTARN_MODELS\\fR\ndirectory of models\n"
          ".TP\n\\fBTARN_THREADS\\fR\nthreads to compute with\n"
          ".TP\n\\fBTARN_CPU\\fR\nhighest instruction set to use\n"
          ".TP\n\\fBNO_COLOR\\fR\nno colours on the terminal\n"
          ".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 stopped by a limit, 4 input or file "
          "error, 5 does not fit, 6 unsupported, 130 interrupted\n",
          to);
}

/* ---- completion ---------------------------------------------------------------------------- */

static void bash_opts(FILE *to, const struct opt *table)
{
    for (const struct opt *o = table; o->type != OPT_END; o++) fprintf(to, " --%s", o->name);
}

void manual_print_completion(FILE *to, const struct opt *common)
{
    fputs("# bash completion for tarn, written by `tarn --completion`\n"
          "_tarn()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} options\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"",
          to);
    for (const struct command *const *c = commands; *c; c++) fprintf(to, "%s ", (*c)->verb);
    fputs("--help --version\" -- \"$word\")\n"
          "        return\n"
          "    fi\n"
          "    [[ $word == -* ]] || return\n"
          "    case ${COMP_WORDS[1]} in\n",
          to);
    for (const struct command *const *c = commands; *c; c++) {
        fprintf(to, "    %s) options=\"", (*c)->verb);
        for (const struct opt *const *t = (*c)->opts; t && *t; t++) bash_opts(to, *t);
        fputs("\" ;;\n", to);
    }
    fputs("    esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$options",
          to);
    bash_opts(to, common);
    fputs("\" -- \"$word\")\n"
          "}\n"
          "complete -o default -F _tarn tarn\n",
          to);
}
