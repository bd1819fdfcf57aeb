/* The header alone, and everything of it used as a C++ program can use it too. */
#include <sockeye.h>

int main(void);

int main(void)
{
    sockeye_config config;
    sockeye_settings *settings = NULL;
    sockeye_connection *connection = NULL;
    sockeye_bytes none = {NULL, 0};
    sockeye_result result = sockeye_config_init(&config, sizeof config);
    if (result == SOCKEYE_OK)
        result = sockeye_settings_new(&config, &settings);
    if (result == SOCKEYE_OK)
        result = sockeye_connection_new_server(settings, none, &connection);
    sockeye_settings_free(settings);
    sockeye_connection_free(connection);
    return result == SOCKEYE_OK ? 0 : 1;
}
