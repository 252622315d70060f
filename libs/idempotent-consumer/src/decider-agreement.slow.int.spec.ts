import { deciderAgreement } from './test/decider-agreement.js';

deciderAgreement(300);
