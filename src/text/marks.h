/* marks.h - the spellings of the special tokens that more than one file of text/ names.
 *
 * The bars and blanks in DeepSeek's marks are U+FF5C and U+2581, not ASCII. Ids differ from
 * vocabulary to vocabulary, so marks are always looked up by text.
 */
#ifndef TEXT_MARKS_H
#define TEXT_MARKS_H

#define MARK_BOS          "<｜begin▁of▁sentence｜>"
#define MARK_EOS          "<｜end▁of▁sentence｜>"
#define MARK_PAD          "<｜▁pad▁｜>"
#define MARK_FIM_HOLE     "<｜fim▁hole｜>"
#define MARK_FIM_BEGIN    "<｜fim▁begin｜>"
#define MARK_FIM_END      "<｜fim▁end｜>"
#define MARK_USER         "<｜User｜>"
#define MARK_ASSISTANT    "<｜Assistant｜>"
#define MARK_THINK        "<think>"
#define MARK_THINK_END    "</think>"
#define MARK_CALLS        "<｜tool▁calls▁begin｜>"
#define MARK_CALLS_END    "<｜tool▁calls▁end｜>"
#define MARK_CALL         "<｜tool▁call▁begin｜>"
#define MARK_CALL_END     "<｜tool▁call▁end｜>"
#define MARK_TOOL_SEP     "<｜tool▁sep｜>"
#define MARK_OUTPUTS      "<｜tool▁outputs▁begin｜>"
#define MARK_OUTPUTS_END  "<｜tool▁outputs▁end｜>"
#define MARK_OUTPUT       "<｜tool▁output▁begin｜>"
#define MARK_OUTPUT_END   "<｜tool▁output▁end｜>"
#define MARK_DSML         "｜DSML｜" /* inside "<...>", itself one token */
#define MARK_IM_START     "<|im_start|>"
#define MARK_IM_END       "<|im_end|>"
#define MARK_QWEN_CALL    "<tool_call>"
#define MARK_QWEN_END     "</tool_call>"
#define MARK_QWEN_RESULT  "<tool_response>"
#define MARK_QWEN_RES_END "</tool_response>"

#endif
