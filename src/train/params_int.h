/* params_int.h - shared by params*.c. */
#ifndef TRAIN_PARAMS_INT_H
#define TRAIN_PARAMS_INT_H

#include "train/params.h"

struct weight *params_weight_of(struct model *m, enum tensor_role r, int32_t layer);

#endif
