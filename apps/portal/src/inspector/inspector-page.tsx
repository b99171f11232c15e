import { Inspector } from './inspector.tsx'

/** The inspector inside the portal; it needs no sign-in, because it does not contact the server. */
export function InspectorPage() {
  return (
    <>
      <Inspector />
    </>
  )
}
