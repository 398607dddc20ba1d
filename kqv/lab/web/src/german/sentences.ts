/** All sentences of the server with their German. */

import dimensions from "./dimensions.json";
import data from "./errors/data.json";
import lab from "./errors/lab.json";
import models from "./errors/models.json";
import reasons from "./errors/reasons.json";
import training from "./errors/training.json";
import exercises from "./exercises.json";
import findings from "./findings.json";
import notes from "./notes.json";

export const errors: Record<string, string> = { ...lab, ...data, ...models, ...training, ...reasons };
export const sentences: Record<string, string> = { ...findings, ...exercises, ...notes, ...dimensions, ...errors };
