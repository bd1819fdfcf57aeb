// The checks that run within a page, in this order.

import { theme as buffered } from './buffered.mjs';
import { theme as closing } from './closing.mjs';
import { theme as compression } from './compression.mjs';
import { theme as constructor } from './constructor.mjs';
import { theme as events } from './events.mjs';
import { theme as messages } from './messages.mjs';
import { theme as opening } from './opening.mjs';
import { theme as stream } from './stream.mjs';

export const themes = [constructor, opening, messages, events, closing, buffered, compression, stream];
