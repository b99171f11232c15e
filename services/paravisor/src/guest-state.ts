export { GuestState } from './vmgs/guest-state.ts'
export { capacity } from './vmgs/layout.ts'
