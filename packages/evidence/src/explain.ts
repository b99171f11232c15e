// Separate entry point: texts for display are larger than the verifier, which does not need them.
export { explain } from './bundle/explain/explain.ts'
export type { Explanation, Field } from './bundle/explain/field.ts'
