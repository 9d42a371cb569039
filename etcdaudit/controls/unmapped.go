package controls

// Unmapped returns the checks that no catalogue asks for, each with the reason.
func Unmapped() map[string]string {
	return map[string]string{
		"EA-124": "it is about what the audit could read",
		"EA-131": "no catalogue asks whether the members hold the same data",
		"EA-141": "no catalogue asks whether what is encrypted can be decrypted",
		"EA-142": "no catalogue asks whether what is encrypted can be decrypted",
		"EA-143": "no catalogue asks whether values are what their keys name",
		"EA-144": "no catalogue asks whether values are what their keys name",
		"EA-701": "it is about the file of accepted risks",
		"EA-702": "it is about the file of accepted risks",
	}
}
