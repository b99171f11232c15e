export * from './boot-evidence.ts'
export * from './errors.ts'
export * from './machine.ts'
export * from './names.ts'
