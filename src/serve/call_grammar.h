/* call_grammar.h - what an answer must look like when a tool call has to come, or when calls that
 * come must follow their schemas, as a grammar for the engine (engine/grammar.h).
 *
 *   tool_choice required or named   the answer is a call to one of these tools, or several
 *   a tool with strict: true        text, then perhaps calls: the mark that begins one is a special
 *                                   token, so what the model writes as text is never taken for it
 *
 * The engine applies it behind the thinking. Arguments follow the tool's schema; a schema that
 * cannot be enforced is an error for strict tools, else any JSON object may come.
 *
 * The forms are those of text/tool_parse.h. In the DSML form names of tools and parameters are
 * enforced, their values are not.
 */
#ifndef SERVE_CALL_GRAMMAR_H
#define SERVE_CALL_GRAMMAR_H

#include "base/attr.h"
#include "serve/ask.h"
#include "text/tool_parse.h"
#include "text/vocab.h"

struct err;

/* Sets k->constraint and k->schema when the tools of k ask for it; an answer format that was asked
 * for stays where no call is forced.
 * Fails: ERR_UNSUPPORTED when the template has no form for calls or a strict schema cannot be
 * enforced, ERR_FORMAT, ERR_LIMIT, ERR_MEMORY. */
int call_grammar(const struct vocab *v, enum tool_style style, struct ask *k,
                 struct err *e) must_check;

#endif
