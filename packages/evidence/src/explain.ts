// An entry of its own: texts for people weigh more than verification, and who verifies does not need them.
export { explain } from './bundle/explain.ts'
export type { Explanation, Field } from './bundle/field.ts'
