// The pages that mailed links with a token open.

import { takeSecret } from "./secrets.js";
import { offer } from "./token_form.js";

offer(takeSecret("token"));
