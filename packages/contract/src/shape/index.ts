export * from './scalars.ts'
export { faultsOf, has, named, shapeOf, type Fault, type JsonSchema, type Shape, type TypeOf } from './shape.ts'
export * from './structures.ts'
